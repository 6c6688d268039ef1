// The limits of the platform that a message is close to.

import { list, obj, str } from "./dom.js";
import { characters, count } from "./format.js";
import { setup } from "./setup.js";

// The share of a limit from which it is shown.
const close = 0.8;

/** The limits that are close, closest first: {what, used, limit, unit}. */
export function closeLimits(content, bytes) {
  const found = new Map();
  const note = (name, what, used, unit) => {
    const limit = setup.limits[name];
    if (!limit || used < limit * close) return;
    const key = name + unit;
    if (!(found.get(key)?.used >= used)) found.set(key, { what, used, limit, unit });
  };
  const text = (name, what, value) => note(name, what, characters(str(value)), "characters");
  const suggestions = (all, name, where) => {
    note(name, where, all.length, "suggestions");
    for (const s of all) {
      const inner = obj(s.reply ?? s.action);
      text("label", `Label \u201c${str(inner.text)}\u201d`, inner.text);
      text("postback", "Postback data", inner.postbackData);
      text("url", "URL", obj(inner.openUrlAction).url);
      text("url", "Fallback URL", inner.fallbackUrl);
      text("calendar_title", "Event title", obj(inner.createCalendarEventAction).title);
      text("calendar_description", "Event description", obj(inner.createCalendarEventAction).description);
    }
  };

  note("bytes", "Whole message", bytes, "bytes");
  text("text", "Text", content.text);
  suggestions(list(content.suggestions), "suggestions", "Chips");
  const rich = obj(content.richCard);
  const carousel = list(obj(rich.carouselCard).cardContents);
  note("cards", "Carousel", carousel.length, "cards");
  const cards = rich.standaloneCard ? [obj(obj(rich.standaloneCard).cardContent)] : carousel;
  for (const card of cards) {
    text("title", "Card title", card.title);
    text("description", "Card description", card.description);
    suggestions(list(card.suggestions), "card_suggestions", "Card buttons");
  }
  return [...found.values()].sort((a, b) => b.used / b.limit - a.used / a.limit);
}

export const limitText = (l) => `${count(l.used)} of ${count(l.limit)} ${l.unit}`;
