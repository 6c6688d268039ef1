// The payload of the editor for other tools. What users must replace is in capitals.

import { curl } from "../js/curl.js";
import { setup } from "../js/setup.js";

const text = (value) => (value !== null && typeof value === "object" ? JSON.stringify(value) : String(value));

/** The actions of the Zapier app with the fields that a payload sets, and the labels of the fields. */
const labels = {
  to: "Phone Number",
  text: "Text",
  title: "Title",
  image: "Image URL",
  video: "Video URL",
  alt: "Media Description",
  height: "Media Height",
  buttons: "Buttons",
  cards: "Cards",
  card_width: "Card Width",
  chips: "Suggested Replies",
  idempotency_key: "Message Key",
  traffic: "Message Type",
  ttl: "Stop Trying After",
  schedule_at: "Send At",
  fallback_after: "SMS After",
  fallback_text: "SMS Text",
  agent: "Agent",
  country: "Country",
};
const options = ["idempotency_key", "traffic", "ttl", "schedule_at", "fallback_after", "fallback_text", "agent", "country"];
const actions = {
  "Send Message": ["to", "text", "buttons", ...options],
  "Send Card": ["to", "title", "text", "image", "video", "alt", "height", "buttons", "chips", ...options],
  "Send Carousel": ["to", "cards", "card_width", "height", "chips", ...options],
};

/** The lines of a field: its label and its value, one line for each value of a list. */
function lines(label, value) {
  if (!Array.isArray(value)) return [`${label}\t${text(value)}`];
  return value.flatMap((v, i) =>
    v !== null && typeof v === "object" && label === labels.cards
      ? Object.entries(v).flatMap(([k, x]) => lines(`${label} ${i + 1} ${labels[k] ?? k}`, x))
      : [`${label}\t${text(v)}`],
  );
}

/** A table of the fields of the Zapier action, with a tab between name and value. */
function zapier(payload) {
  const has = (...names) => names.some((n) => payload[n] !== undefined);
  const action = has("cards") ? "Send Carousel" : has("title", "image", "video") ? "Send Card" : "Send Message";
  const sets = { idempotency_key: "ID-OF-THE-TRIGGER", ...payload };
  const names = actions[action].filter((n) => sets[n] !== undefined);
  const others = Object.keys(payload).filter((n) => !names.includes(n));
  return [
    `Action\t${action}`,
    ...names.flatMap((n) => lines(labels[n], sets[n])),
    ...others.map((n) => `${n}\tThe action has no such field. Use Webhooks by Zapier, or leave it out.`),
  ].join("\n");
}

/**
 * A node of n8n-nodes-rcshook for the canvas, in an object as n8n copies it. Sending a card is the
 * operation that requires nothing but a number.
 */
function n8n(payload) {
  const { to, traffic, ...rest } = payload;
  const card = ["title", "image", "text"];
  const isMessage = rest.text !== undefined && !["title", "image", "video", "cards"].some((n) => rest[n] !== undefined);
  const operation = isMessage ? "sendMessage" : "sendCard";
  const own = isMessage ? ["text"] : card;
  const fields = Object.fromEntries(own.filter((n) => rest[n] !== undefined).map((n) => [n, rest[n]]));
  const more = Object.fromEntries(Object.entries(rest).filter(([n]) => !own.includes(n)));
  const moreFields = Object.keys(more).length > 0 ? { moreFields: JSON.stringify(more, null, 2) } : {};
  const node = {
    id: crypto.randomUUID(),
    name: "RCS",
    type: "n8n-nodes-rcshook.rcs",
    typeVersion: 1,
    position: [0, 0],
    parameters: {
      operation,
      to: [to ?? ""].flat().join(", "),
      ...fields,
      traffic,
      additionalFields: { continueIfUndeliverable: true, ...moreFields },
    },
    retryOnFail: true,
  };
  return JSON.stringify({ nodes: [node], connections: {} }, null, 2);
}

/** A command for PowerShell. The bytes are UTF-8 in all versions of it. */
const powershell = (payload) => `$payload = @'
${JSON.stringify(payload, null, 2)}
'@
$headers = @{ Authorization = '${`Bearer ${setup.key}`.replaceAll("'", "''")}' }
Invoke-RestMethod -Method Post -Uri '${setup.function.replaceAll("'", "''")}' -Headers $headers -ContentType application/json -Body ([Text.Encoding]::UTF8.GetBytes($payload))
`;

/** A program in Go that posts the payload with the standard library. */
function go(payload) {
  const json = JSON.stringify(payload, null, 2);
  const literal = /[`\r\ufeff]/.test(json) ? JSON.stringify(json) : `\`${json}\``;
  return `package main

import (
	"io"
	"log"
	"net/http"
	"os"
	"strings"
)

const payload = ${literal}

func main() {
	req, err := http.NewRequest("POST", ${JSON.stringify(setup.function)}, strings.NewReader(payload))
	if err != nil {
		log.Fatal(err)
	}
	req.Header.Set("Authorization", ${JSON.stringify(`Bearer ${setup.key}`)})
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(os.Stdout, resp.Body); err != nil {
		log.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		os.Exit(1)
	}
}
`;
}

/** Where to paste each format, and the document about it with the text of its link. */
export const places = {
  curl: ["Paste it into a terminal, with your URL and key.", "index.html#deploy", "Deploy"],
  PowerShell: ["Paste it into PowerShell, with your URL and key.", "index.html#deploy", "Deploy"],
  "Zapier fields": ["Type the values into the fields of the action in your Zap.", "recipes/zapier.html#the-zap", "Zapier"],
  "n8n node": ["Click the canvas of n8n and paste. First install n8n-nodes-rcshook.", "recipes/n8n.html", "n8n"],
  "Go program": ["Save it as main.go with your URL and key, and run it.", "clients.html", "Typed clients"],
};

/** The formats by name. Each makes text of a payload. */
export const formats = {
  curl: (payload) => curl(payload),
  PowerShell: powershell,
  "Zapier fields": zapier,
  "n8n node": n8n,
  "Go program": go,
};
