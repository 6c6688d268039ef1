// Rich cards: a standalone card, or a carousel in a rail.

import { device } from "./device.js";
import { h, list, obj, str } from "./dom.js";
import { cardMedia } from "./media.js";
import { rail } from "./rail.js";
import { cardButtons } from "./suggestions.js";
import { linkify } from "./url.js";

/** Renders contentMessage.richCard. */
export function richCard(richCard, tap) {
  const carousel = obj(richCard.carouselCard);
  const cards = list(carousel.cardContents);
  const base = "/contentMessage/richCard";
  if (richCard.carouselCard) {
    const width = carousel.cardWidth === "SMALL" ? "small" : "medium";
    const items = cards.map((c, i) =>
      card(c, { pointer: `${base}/carouselCard/cardContents/${i}`, tap, label: `Card ${i + 1} of ${cards.length}` }),
    );
    return rail(`carousel carousel-${width}`, `Carousel of ${cards.length} cards`, items);
  }
  const alone = obj(richCard.standaloneCard);
  return card(obj(alone.cardContent), {
    pointer: `${base}/standaloneCard/cardContent`,
    tap,
    label: "Card",
    horizontal: alone.cardOrientation === "HORIZONTAL",
    side: alone.thumbnailImageAlignment === "LEFT" ? "left" : "right",
  });
}

// Shorter texts fit into every card.
const long = 200;

/** Marks a text that does not fit into its card; a phone truncates it too. */
function watchCut(text) {
  new ResizeObserver(() => text.classList.toggle("cut", text.scrollHeight > text.clientHeight + 2)).observe(text);
}

function card(content, { pointer, tap, label, horizontal = false, side = "" }) {
  const title = str(content.title);
  const description = str(content.description);
  const buttons = list(content.suggestions);
  const hasText = title || description;
  const text = hasText
    ? h(
        "div.card-text",
        title ? h("p.card-title", { dir: "auto" }, title) : null,
        description
          ? h("p.card-description", { dir: "auto" }, device.iphone ? description : linkify(description))
          : null,
      )
    : null;
  if (description.length > long) watchCut(text);
  return h(
    "article.card",
    { "aria-label": label, data: horizontal ? { layout: "horizontal", side } : { layout: "vertical" } },
    content.media ? cardMedia(obj(content.media)) : null,
    hasText || buttons.length > 0
      ? h("div.card-body", text, buttons.length > 0 ? h("div.card-buttons", cardButtons(buttons, pointer, tap)) : null)
      : null,
  );
}
