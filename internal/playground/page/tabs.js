// Tabs that the playground adds to the panel of the phone page.

import { byID, h } from "../js/dom.js";

/**
 * Adds a tab and its view on narrow screens; returns its empty pane. It must be called before
 * app.js runs, which finds the tabs in the document.
 */
export function addTab(name, label) {
  const pane = h("div.pane", { role: "tabpanel", id: name, "aria-labelledby": `tab-${name}`, tabindex: "0", hidden: true });
  const tab = { role: "tab", id: `tab-${name}`, "aria-controls": name, "aria-selected": "false", tabindex: "-1" };
  document.querySelector(".tabs").append(h("button.tab", tab, label));
  document.querySelector(".views").append(h("button", { data: { view: name } }, label));
  byID("panel").append(pane);
  return pane;
}
