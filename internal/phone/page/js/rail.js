// A rail is a row that scrolls horizontally: by touch, keyboard, or two mouse buttons.

import { h } from "./dom.js";
import { icon } from "./icons.js";

/** Puts the children in a rail. */
export function rail(className, label, ...children) {
  const row = h("div", { class: `rail-row ${className}`, role: "group", "aria-label": label, tabindex: "0" }, children);
  const step = (direction) => () => row.scrollBy({ left: direction * Math.max(160, row.clientWidth * 0.7) });
  const back = h(
    "button.rail-button.rail-back",
    { tabindex: "-1", "aria-label": "Scroll back", hidden: true, onclick: step(-1) },
    icon("left"),
  );
  const on = h(
    "button.rail-button.rail-on",
    { tabindex: "-1", "aria-label": "Scroll forward", hidden: true, onclick: step(1) },
    icon("right"),
  );
  const update = () => {
    const rest = row.scrollWidth - row.clientWidth;
    back.hidden = row.scrollLeft < 8;
    on.hidden = rest - row.scrollLeft < 8;
    // A row that does not scroll is not a tab stop.
    row.tabIndex = rest < 8 ? -1 : 0;
  };
  row.addEventListener("scroll", update, { passive: true });
  new ResizeObserver(update).observe(row);
  return h("div.rail", row, back, on);
}
