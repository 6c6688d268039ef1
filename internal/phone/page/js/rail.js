// A rail is a row that scrolls sideways: by touch, by keyboard, and by two buttons
// for those who have a mouse.

import { h } from "./dom.js";
import { icon } from "./icons.js";

/** Puts the children on a rail. */
export function rail(className, label, children) {
  const row = h("div", { class: `rail-row ${className}`, role: "group", "aria-label": label, tabindex: "0" }, children);
  const step = (direction) => () => row.scrollBy({ left: direction * Math.max(160, row.clientWidth * 0.7) });
  const back = h("button", { type: "button", class: "rail-button rail-back", tabindex: "-1", "aria-label": "Scroll back", hidden: true, onclick: step(-1) }, icon("left"));
  const on = h("button", { type: "button", class: "rail-button rail-on", tabindex: "-1", "aria-label": "Scroll on", hidden: true, onclick: step(1) }, icon("right"));
  const look = () => {
    const rest = row.scrollWidth - row.clientWidth;
    back.hidden = row.scrollLeft < 8;
    on.hidden = rest - row.scrollLeft < 8;
    // A row without a need to scroll is no stop for the keyboard.
    row.tabIndex = rest < 8 ? -1 : 0;
  };
  row.addEventListener("scroll", look, { passive: true });
  new ResizeObserver(look).observe(row);
  return h("div", { class: "rail" }, row, back, on);
}
