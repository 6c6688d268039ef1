// The phone: the header of the conversation, its items, the input at the bottom, and
// the sheets over them.

import { body, view } from "./message.js";
import { copy, fill, h, setText } from "./dom.js";
import { curl } from "./curl.js";
import { device } from "./device.js";
import { fallbackStatus } from "./fallback.js";
import { day, phoneNumber, plural } from "./format.js";
import { icon } from "./icons.js";
import { rail } from "./rail.js";
import { agentLook, setup } from "./setup.js";
import { actionSheet, deviceSheet, fileSheet, locationSheet, shareSheet } from "./sheet.js";
import { chipsOf, oneTimeCode, queued } from "./store.js";
import { chips, codeChip } from "./suggestions.js";
import { image } from "./url.js";

export class Screen {
  /**
   * actions: act(action) posts a user action, inspect(item) and selected() control the
   * inspector, pushed(item) is the delivery status of an event, receipts are for messages
   * that were read, and setDevice(iphone) selects the phone.
   */
  constructor(root, actions) {
    this.root = root;
    this.actions = { ...actions, tap: (item, pointer, about) => this.tap(item, pointer, about) };
    this.conversation = undefined;
    this.views = new Map();
    root.addEventListener("keydown", (e) => {
      if (e.key === "Escape") this.closeOverlays();
    });
    root.addEventListener("click", (e) => {
      if (!this.menu || e.target.closest(".menu, .menu-button")) return;
      this.closeMenu();
    });
  }

  /** Shows a conversation, or a welcome text if there is none. */
  render(conversation, online, preview) {
    if (conversation !== this.conversation) {
      this.conversation = conversation;
      this.views.clear();
      this.chipsOf = undefined;
      this.preview = undefined;
      if (conversation) this.build(conversation);
      else this.welcome();
    }
    if (!conversation) return;
    this.online = online;
    this.items(conversation);
    this.tail(conversation, preview);
    this.status(conversation, online);
  }

  /** Shows the conversation again, as on the other kind of phone. */
  changeDevice() {
    this.closeOverlays();
    this.conversation = undefined;
  }

  welcome() {
    const command = setup.function
      ? curl({ to: "+12025550123", text: "Hello from rcshook", buttons: ["Hi!", "Docs|https://example.com"] })
      : "";
    const button = h("button.button", { onclick: () => copy(button, command) }, "Copy command");
    fill(
      this.root,
      h("div.status-bar", h("span", "No messages yet"), icon("wifi")),
      h(
        "div.invite",
        h("p.invite-title", "Waiting for the first message"),
        h(
          "p",
          command
            ? "Send one from a terminal, or pick an example in Compose."
            : "Messages sent to the simulator appear here.",
        ),
        command && h("pre.invite-command", { tabindex: "0" }, command),
        command && button,
      ),
    );
  }

  build(c) {
    const look = agentLook(c.agent);
    this.root.style.setProperty("--agent", look.color);
    this.root.classList.toggle("iphone", device.iphone);
    this.signal = h("span.signal");
    this.rows = h("ol.rows");
    this.end = h("div.tail");
    this.banner = h("div.banner", { hidden: true });
    this.note = h("p.toast", { role: "status" });
    const menuButton = h(
      "button.round.menu-button",
      { "aria-label": "More", "aria-expanded": "false", onclick: () => this.toggleMenu() },
      icon("more"),
    );
    this.menuButton = menuButton;
    this.input = h("input.typed", {
      type: "text",
      placeholder: "RCS message",
      "aria-label": `Message to ${look.name}`,
      autocomplete: "off",
      maxlength: "3072",
    });
    const typed = (e) => {
      e.preventDefault();
      this.sendTyped();
    };
    this.scroller = h(
      "div.scroller",
      { tabindex: "0", role: "region", "aria-label": "Messages", onscroll: () => this.updateToEnd() },
      h("div.thread", this.rows, this.end),
    );
    this.toEnd = h(
      "button.to-end",
      { "aria-label": "Scroll to the latest message", hidden: true, onclick: () => this.scroller.scrollTo({ top: 0 }) },
      icon("down"),
    );
    fill(
      this.root,
      h(
        "div.status-bar",
        h("span.status-number", phoneNumber(c.phone)),
        device.iphone && h("span.status-device", "iPhone"),
        this.signal,
      ),
      h(
        "div.head",
        h("span.avatar", { "aria-hidden": "true" }, look.logo ? image(look.logo, "", () => look.initial) : look.initial),
        h(
          "div.head-text",
          h(
            "h2.head-name",
            h("bdi", look.name),
            h("span.verified", { title: "Verified" }, icon("verified"), h("span.unseen", "verified")),
          ),
          h("p.head-id", c.agent || "no agent"),
        ),
        menuButton,
      ),
      h("div.scroll-frame", this.scroller, this.toEnd),
      this.banner,
      h(
        "form.type-row",
        { onsubmit: typed },
        h("button.round", { "aria-label": "Share", onclick: () => this.share() }, icon("plus")),
        this.input,
        h("button.round.send", { type: "submit", "aria-label": "Send" }, icon("send")),
      ),
      this.note,
    );
  }

  items(c) {
    for (const [key, v] of this.views) {
      if (c.byKey.get(key) !== v.item) {
        v.el.remove();
        this.views.delete(key);
      }
    }
    let lastDay = this.views.size > 0 ? this.lastDay : "";
    const fresh = document.createDocumentFragment();
    for (const item of c.items) {
      let v = this.views.get(item.key);
      if (!v) {
        v = view(item, this.actions);
        v.item = item;
        this.views.set(item.key, v);
        const today = item.at.toDateString();
        if (today !== lastDay) fresh.append(h("li.day", day(item.at)));
        lastDay = today;
        fresh.append(v.el);
      }
      const selected = this.actions.selected() === item;
      const stamp = `${item.state} ${item.seen} ${item.requests.length} ${this.actions.pushed(item)} ${selected}`;
      if (stamp !== v.stamp) {
        v.stamp = stamp;
        v.el.classList.toggle("selected", selected);
        v.update();
      }
      const f = item.kind !== "sms" && c.fallbacks.get(item.id);
      if (f) {
        const [text, tone] = fallbackStatus(f, item);
        if (!v.fallback) v.el.append((v.fallback = h("p.pill.fallback")));
        setText(v.fallback, text);
        v.fallback.dataset.tone = tone;
      }
    }
    this.lastDay = lastDay;
    this.rows.append(fresh);
  }

  /** Shows a preview, the typing indicator and chips below the latest message. */
  tail(c, preview) {
    const current = preview ? null : chipsOf(c);
    const stamp = `${current?.item.key} ${c.typing} ${this.online}`;
    if (stamp === this.chipsOf && preview === this.preview) return;
    this.chipsOf = stamp;
    this.preview = preview;
    const parts = [];
    if (preview) parts.push(...this.previewParts(preview));
    if (c.typing)
      parts.push(h("div.bubble.typing", { role: "img", "aria-label": "The agent is typing" }, h("i"), h("i"), h("i")));
    if (current)
      parts.push(
        rail(
          "chips",
          "Suggestions",
          current.code ? codeChip(current.code) : null,
          chips(current.suggestions, (pointer, about) => this.tap(current.item, pointer, about)),
        ),
      );
    fill(this.end, parts);
    if (preview) this.scroller.scrollTop = 0;
  }

  previewParts(preview) {
    const content = preview.content;
    const tap = (_, about) => this.tapPreview(about);
    const suggestions = Array.isArray(content.suggestions) ? content.suggestions : [];
    const code = oneTimeCode(content, preview.traffic);
    return [
      h(
        "div.preview",
        { role: "group", "aria-label": "Preview" },
        h(
          "div.preview-label",
          "Preview",
          h("span", "not sent"),
          h(
            "button.preview-close",
            { "aria-label": "Close the preview", onclick: () => this.actions.closePreview() },
            icon("close"),
          ),
        ),
        h("div.frame", body(content, tap)),
        suggestions.length > 0 || code
          ? rail("chips", "Suggestions in the preview", code ? codeChip(code) : null, chips(suggestions, tap))
          : null,
      ),
    ];
  }

  status(c, online) {
    const waiting = queued(c);
    const stamp = `${online} ${waiting}`;
    if (this.banner.dataset.stamp === stamp) return;
    this.banner.dataset.stamp = stamp;
    fill(this.signal, icon(online ? "wifi" : "airplane"), h("span.unseen", online ? "online" : "offline"));
    this.root.classList.toggle("offline", !online);
    this.banner.hidden = online;
    this.input.disabled = !online;
    if (online) return;
    fill(
      this.banner,
      icon("airplane"),
      h(
        "span.banner-text",
        h("b", "Offline"),
        waiting > 0 ? `${plural(waiting, "message")} waiting` : "Messages wait until it is online",
      ),
      h("button.button.small", { onclick: () => this.actions.setOnline(c.phone, true) }, "Go online"),
    );
  }

  /** Performs a user action and shows an error if it fails. */
  async act(action) {
    const c = this.conversation;
    try {
      await this.actions.act({ phone: c.phone, agent_id: c.agent, ...action });
      return true;
    } catch (e) {
      this.toast(e.message);
      return false;
    }
  }

  async sendTyped() {
    const text = this.input.value.trim();
    if (!text) return this.input.focus();
    if (await this.act({ action: "text", text })) {
      this.input.value = "";
      this.scroller.scrollTop = 0;
    }
  }

  share() {
    this.open(
      shareSheet([
        ["Location", "place", () => this.shareLocation()],
        ["File", "file", () => this.sendFile()],
      ]),
    );
  }

  sendFile() {
    this.open(fileSheet((file) => this.act({ action: "file", file })));
  }

  shareLocation() {
    this.open(locationSheet((location) => this.act({ action: "location", location })));
  }

  async tap(item, pointer, about) {
    this.scroller.scrollTop = 0;
    if (!(await this.act({ action: "tap", message_id: item.id, suggestion: pointer }))) return;
    if (about.kind === "share") this.shareLocation();
    else if (about.kind !== "reply") this.open(actionSheet(about));
  }

  tapPreview(about) {
    if (about.kind === "reply" || about.kind === "share") this.toast("This is a preview: taps are not sent.");
    else this.open(actionSheet(about));
  }

  /** Opens a sheet. */
  open(sheet) {
    this.closeOverlays();
    const before = document.activeElement;
    const close = h(
      "button.round.sheet-close",
      { "aria-label": "Close", onclick: () => this.closeOverlays() },
      icon("close"),
    );
    const el = h(
      "div.sheet",
      { role: "dialog", "aria-label": sheet.title, tabindex: "-1", data: { size: sheet.size ?? "" } },
      h("div.sheet-head", h("span.sheet-title", sheet.title), close),
      sheet.body(() => this.closeOverlays()),
    );
    const shade = h("div.shade", { onclick: () => this.closeOverlays() });
    this.root.append(shade, el);
    this.closeSheet = () => {
      this.closeSheet = undefined;
      shade.remove();
      el.remove();
      if (!document.activeElement.closest(".panel")) before.focus();
    };
    (el.querySelector("[data-first]") ?? close).focus();
  }

  closeOverlays() {
    this.closeSheet?.();
    if (this.menu) {
      this.closeMenu();
      this.menuButton.focus();
    }
  }

  closeMenu() {
    this.menu?.remove();
    this.menu = undefined;
    this.menuButton.setAttribute("aria-expanded", "false");
  }

  toggleMenu() {
    if (this.menu) return this.closeMenu();
    const c = this.conversation;
    const receipts = this.actions.receipts;
    const entry = (label, act) =>
      h("button.menu-entry", { onclick: () => (this.closeMenu(), this.menuButton.focus(), act()) }, label);
    this.menu = h(
      "div.menu",
      entry(this.online ? "Go offline" : "Go online", () => this.actions.setOnline(c.phone, !this.online)),
      entry(receipts.get() ? "Stop sending read receipts" : "Send read receipts", () => receipts.set(!receipts.get())),
      entry("Share a location", () => this.shareLocation()),
      entry("Send a file", () => this.sendFile()),
      entry("Start typing", () => this.act({ action: "typing" })),
      c.subscription === "unsubscribe"
        ? entry("Subscribe", () => this.act({ action: "subscribe", text_only: device.iphone }))
        : entry("Unsubscribe", () => this.act({ action: "unsubscribe", text_only: device.iphone })),
      entry(device.iphone ? "Show an Android phone" : "Show an iPhone", () => this.actions.setDevice(!device.iphone)),
      device.iphone && entry("Differences of an iPhone", () => this.open(deviceSheet())),
    );
    this.menuButton.after(this.menu);
    this.menuButton.setAttribute("aria-expanded", "true");
    this.menu.firstChild.focus();
  }

  toast(text) {
    setText(this.note, text.replace(/^rbmtest: /, ""));
    this.note.classList.add("shown");
    clearTimeout(this.toastTimer);
    this.toastTimer = setTimeout(() => {
      this.note.classList.remove("shown");
      setText(this.note, "");
    }, 4000);
  }

  /** Shows the button that scrolls to the end. The column is reversed, so its end is 0. */
  updateToEnd() {
    this.toEnd.hidden = this.scroller.scrollTop > -240;
  }
}
