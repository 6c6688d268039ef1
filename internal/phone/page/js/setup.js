// The setup of the page, from /_dev/setup.

import { device } from "./device.js";

export const setup = {
  boot: "",
  function: "",
  key: "",
  connect: "",
  images: false,
  agents: [],
  sources: [],
  senders: [],
  limits: {},
};

/** The agent's name, logo, color and initial. */
export function agentLook(id) {
  const known = setup.agents.find((a) => a.id === id);
  let name = known?.name || nameOf(id);
  if (device.iphone) name = name.replace(/[/\\:]/g, "");
  return { name, logo: known?.logo, color: readable(known?.color), initial: ([...name][0] ?? "?").toUpperCase() };
}

/** Converts harborline_ferries_k3x9a1bc_agent to Harborline ferries. */
function nameOf(id) {
  const words = id
    .replace(/_agent$/, "")
    .replace(/_[a-z0-9]{8}$/, "")
    .replace(/[_-]+/g, " ")
    .trim();
  return words ? words[0].toUpperCase() + words.slice(1) : "Unknown agent";
}

const defaultColor = "#0b57a4";

/**
 * The color, dark enough to be readable on white. Google requires a contrast of 4.5 to 1
 * for brand colors; others are darkened until they have it.
 */
function readable(color) {
  const match = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})$/i.exec(color ?? "");
  if (!match) return defaultColor;
  let rgb = match.slice(1).map((x) => parseInt(x, 16));
  while (1.05 / (luminance(rgb) + 0.05) < 4.6) rgb = rgb.map((x) => Math.floor(x * 0.94));
  return "#" + rgb.map((x) => x.toString(16).padStart(2, "0")).join("");
}

function luminance(rgb) {
  const [r, g, b] = rgb.map((x) => {
    const c = x / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
