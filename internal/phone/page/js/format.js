// Formats of numbers and times.

/** Formats +12025550123 as +1 202 555 0123, and other countries in groups of three. */
export function phoneNumber(e164) {
  const us = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(e164);
  if (us) return `+1 ${us[1]} ${us[2]} ${us[3]}`;
  return e164.replace(/^(\+\d{2})(\d+)$/, (_, code, rest) => `${code} ${rest.replace(/(\d{3})(?=\d)/g, "$1 ")}`);
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const precise = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  fractionalSecondDigits: 3,
  hourCycle: "h23",
});
const dayName = new Intl.DateTimeFormat(undefined, { weekday: "long", month: "long", day: "numeric" });
const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

const formatTime = (format, time) => (Number.isNaN(time.getTime()) ? "" : format.format(time));

export const timeOfDay = (time) => formatTime(clock, time);
export const exactTime = (time) => formatTime(precise, time);
export const dateAndTime = (text) => formatTime(moment, new Date(text));

/** The day of a time. */
export function day(time) {
  const days = Math.round((new Date().setHours(0, 0, 0, 0) - new Date(time).setHours(0, 0, 0, 0)) / 86_400_000);
  if (days === 0) return "Today";
  if (days === 1) return "Yesterday";
  return formatTime(dayName, time);
}

export const count = (n) => new Intl.NumberFormat("en").format(n);

/** 42 s, 5 min, 2 h. */
export function span(seconds) {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

/** 1 message, 2 messages. */
export const plural = (n, word) => `${count(n)} ${word}${n === 1 ? "" : "s"}`;

/** The number of characters of a text, as the platform counts them. */
export function characters(text) {
  let n = 0;
  for (const _ of text) n++;
  return n;
}

/** The start of a text, on one line. */
export function shorten(text, max) {
  const line = text.replace(/\s+/g, " ").trim();
  const chars = [...line.slice(0, max * 2)];
  return chars.length > max ? chars.slice(0, max - 1).join("") + "\u2026" : chars.join("");
}
