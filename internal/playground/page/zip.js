// A ZIP archive of a few short text files, which are not compressed.

const crcs = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n >>> 0;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const b of bytes) crc = (crc >>> 8) ^ crcs[(crc ^ b) & 0xff];
  return (crc ^ 0xffffffff) >>> 0;
}

/** Numbers in little-endian order: each pair is a value and its size in bytes. */
const numbers = (...pairs) =>
  Uint8Array.from(pairs.flatMap(([value, size]) => Array.from({ length: size }, (_, i) => (value >>> (8 * i)) & 0xff)));

/** An archive of files: {name, text}. */
export function zip(files) {
  const encoder = new TextEncoder();
  const parts = [];
  const directory = [];
  let size = 0;
  const date = (46 << 9) | (1 << 5) | 1; // 2026-01-01, as the format writes it
  for (const { name, text } of files) {
    const path = encoder.encode(name);
    const data = encoder.encode(text);
    // Version 2.0, names in UTF-8, no compression, the time, the checksum, sizes, and the length of the name.
    const head = numbers([20, 2], [0x800, 2], [0, 2], [0, 2], [date, 2], [crc32(data), 4], [data.length, 4], [data.length, 4], [path.length, 2], [0, 2]);
    const local = [numbers([0x04034b50, 4]), head, path, data];
    directory.push(numbers([0x02014b50, 4], [20, 2]), head, numbers([0, 2], [0, 2], [0, 2], [0, 4], [size, 4]), path);
    size += local.reduce((n, part) => n + part.length, 0);
    parts.push(...local);
  }
  const directorySize = directory.reduce((n, part) => n + part.length, 0);
  const count = files.length;
  const end = numbers([0x06054b50, 4], [0, 4], [count, 2], [count, 2], [directorySize, 4], [size, 4], [0, 2]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}
