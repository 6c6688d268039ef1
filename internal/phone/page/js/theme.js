// The button for the theme: light, dark, or that of the system.

import { byID } from "./dom.js";

const order = ["auto", "light", "dark"];
const key = "rcshook.theme";

export function theme() {
  const button = byID("theme");
  const set = (name) => {
    document.documentElement.dataset.theme = name;
    button.querySelector(".tool-state").textContent = name;
    localStorage.setItem(key, name);
  };
  const kept = localStorage.getItem(key);
  set(order.includes(kept) ? kept : "auto");
  button.addEventListener("click", () => {
    const now = document.documentElement.dataset.theme;
    set(order[(order.indexOf(now) + 1) % order.length]);
  });
}
