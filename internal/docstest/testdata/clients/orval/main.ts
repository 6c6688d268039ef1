// Makes one request of each kind, and prints the results.
import { about, lookUpNumbers, revokeMessage, sampleEvent, sendMessage, CardWidth, EventType, Height, Profile, Retry, Traffic, type Message } from "./rcs.js";

const authorize = (key: string) => ({ headers: { Authorization: `Bearer ${key}` } });
const options = authorize(process.env.RCS_KEY!);

const phone = "+12025550123", offline = "+12025550108", unreachable = "+12025550104";
const messages: Message[] = [
  { to: [phone], text: "A text", buttons: [{ label: "Map", latitude: 0, longitude: -78.45 }] },
  { to: [phone], card: { title: "A card", image: "https://example.com/a.jpg", height: Height.tall }, traffic: Traffic.transaction },
  { to: [phone], card_width: CardWidth.small, cards: [{ title: "One" }, { title: "Two" }] },
];
for (const message of messages) {
  const { data } = await sendMessage(message, {}, options);
  console.log("send", data.code);
}
const found = (await lookUpNumbers({ to: [phone] }, options)).data;
console.log("look up", found.code, found.reachable, `[${found.reachable_numbers}]`);
const sent = await sendMessage({ to: [offline], text: "Hello" }, {}, options);
const revoked = await revokeMessage(sent.data.message_id!, { to: offline }, options);
console.log("revoke", revoked.data.code);
const event = await sampleEvent({ type: EventType.location }, options);
if (event.status !== 200) throw new Error(event.data.message);
console.log("event", event.data.type, event.data.phone, event.data.latitude);
const failure = await sendMessage({ to: [unreachable], text: "Hello" }, {}, options);
console.log("failure", failure.status, failure.data.code, failure.data.retry === Retry.never, failure.data.message);
const mixed = await sendMessage({ to: [phone, unreachable], text: "Hello" }, {}, options);
console.log("mixed", mixed.status, mixed.data.code, mixed.data.results?.length);
console.log("all", (await sendMessage({ to: [phone, unreachable], text: "Hello" }, { profile: Profile.all }, options)).status);
const unauthorized = await about(authorize("wrong"));
if (unauthorized.status === 200) throw new Error("the key is accepted");
console.log("key", unauthorized.status, unauthorized.data.message);
const page = await about(options);
if (page.status !== 200) throw new Error(page.data.message);
console.log("about", page.data.name, `[${page.data.agents}]`);
