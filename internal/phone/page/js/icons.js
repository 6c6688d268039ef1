// Icons are stroked paths on a 24 by 24 grid.

const paths = {
  reply: ["M9 7 4 12l5 5", "M4 12h9a7 7 0 0 1 7 7"],
  open: [
    "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18Z",
    "M3 12h18",
    "M12 3c2.6 2.5 3.9 5.5 3.9 9S14.6 18.5 12 21c-2.6-2.5-3.9-5.5-3.9-9S9.4 5.5 12 3Z",
  ],
  webview: ["M4 5h16v14H4z", "M4 9.5h16", "M7 7.25h.01", "M9.5 7.25h.01"],
  dial: [
    "M6.5 3.5h3l1.5 4.5-2 1.5a12 12 0 0 0 5.5 5.5l1.5-2 4.5 1.5v3a2.5 2.5 0 0 1-2.5 2.5" +
      "C10.5 20 4 13.5 4 6a2.5 2.5 0 0 1 2.5-2.5Z",
  ],
  place: [
    "M12 21c4.5-4.6 6.8-8.2 6.8-11a6.8 6.8 0 1 0-13.6 0c0 2.8 2.3 6.4 6.8 11Z",
    "M12 12.3a2.3 2.3 0 1 0 0-4.6 2.3 2.3 0 0 0 0 4.6Z",
  ],
  share: [
    "M12 17.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11Z",
    "M12 13h.01",
    "M12 2.5v4",
    "M12 17.5v4",
    "M2.5 12h4",
    "M17.5 12h4",
  ],
  calendar: ["M4 6h16v14H4z", "M4 10.5h16", "M8.5 3.5V7", "M15.5 3.5V7"],
  compose: ["M4 20h4L19 9l-4-4L4 16Z", "M12.5 7.5l4 4"],
  image: ["M4 5h16v14H4z", "m4.5 17.5 5-5 3.5 3.5 3-3 3.5 3.5", "M15.5 9.5h.01"],
  video: ["M3.5 6.5h11v11h-11z", "m14.5 10.5 6-3.5v10l-6-3.5"],
  audio: ["M4 10v4", "M8 7v10", "M12 4v16", "M16 8v8", "M20 10.5v3"],
  file: ["M6 3h8l5 5v13H6z", "M14 3v5h5"],
  play: ["M8.5 6v12l9.5-6Z"],
  verified: [
    "m12 2.8 2.3 1.7 2.9-.1.8 2.8 2.4 1.6-1 2.7 1 2.7-2.4 1.6-.8 2.8-2.9-.1L12 20.2" +
      "l-2.3-1.7-2.9.1-.8-2.8-2.4-1.6 1-2.7-1-2.7 2.4-1.6.8-2.8 2.9.1Z",
    "m8.6 11.7 2.3 2.3 4.5-4.6",
  ],
  copy: ["M9 9h11v11H9z", "M5 15H4V4h11v1"],
  check: ["m5 12.5 4.5 4.5L19 7.5"],
  checks: ["m2.5 12.5 4.3 4.3 8.7-9", "m11.5 15.5 1.5 1.5 8.5-9"],
  clock: ["M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Z", "M12 7.5V12l3 2"],
  wifi: [
    "M3 9.5a13 13 0 0 1 18 0",
    "M6.3 13a8.3 8.3 0 0 1 11.4 0",
    "M9.6 16.4a3.6 3.6 0 0 1 4.8 0",
    "M12 19.5h.01",
  ],
  airplane: [
    "M10.5 9V4.8a1.5 1.5 0 0 1 3 0V9l7 4.5v2l-7-2v4.3l2 1.5V21" +
      "L12 20l-3.5 1v-1.7l2-1.5v-4.3l-7 2v-2Z",
  ],
  plus: ["M12 5v14", "M5 12h14"],
  send: ["M4 5v5.5l9 1.5-9 1.5V19l17-7Z"],
  close: ["m6 6 12 12", "M18 6 6 18"],
  more: ["M12 5.5h.01", "M12 12h.01", "M12 18.5h.01"],
  down: ["m6 9.5 6 6 6-6"],
  left: ["m14.5 6-6 6 6 6"],
  right: ["m9.5 6 6 6-6 6"],
  out: ["M9 6H5v13h13v-4", "M13 5h6v6", "M19 5l-8.5 8.5"],
  warning: ["M12 4 2.8 20h18.4Z", "M12 10v4.5", "M12 17.2h.01"],
  revoke: ["M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17Z", "m6 6 12 12"],
};

/** Creates an icon, which is decorative: a text next to it has the meaning. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("class", `icon icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  for (const d of paths[name] ?? paths.file) {
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", d);
    svg.append(path);
  }
  return svg;
}
