// Makes one request of each kind, and prints the results.
import createClient from "openapi-fetch";
import type { components, paths } from "./rcs.js";

type Message = components["schemas"]["Message"];

const newClient = (key: string) => createClient<paths>({ baseUrl: "http://localhost:8080", headers: { Authorization: `Bearer ${key}` } });
const client = newClient(process.env.RCS_KEY!);
const send = (body: Message, profile?: components["schemas"]["Profile"]) => client.POST("/", { body, params: { query: { profile } } });

const phone = "+12025550123", offline = "+12025550108", unreachable = "+12025550104";
const messages: Message[] = [
  { to: [phone], text: "A text", buttons: [{ label: "Map", latitude: 0, longitude: -78.45 }] },
  { to: [phone], card: { title: "A card", image: "https://example.com/a.jpg", height: "tall" }, traffic: "transaction" },
  { to: [phone], card_width: "small", cards: [{ title: "One" }, { title: "Two" }] },
];
for (const message of messages) {
  const { data } = await send(message);
  console.log("send", data?.code);
}
const found = (await client.POST("/capabilities", { body: { to: [phone] } })).data!;
console.log("look up", found.code, found.reachable, `[${found.reachable_numbers}]`);
const sent = await send({ to: [offline], text: "Hello" });
const revoked = await client.DELETE("/messages/{message_id}", { params: { path: { message_id: sent.data!.message_id! }, query: { to: offline } } });
console.log("revoke", revoked.data?.code);
const event = (await client.GET("/events/sample", { params: { query: { type: "location" } } })).data!;
console.log("event", event.type, event.phone, event.latitude);
const failure = (await send({ to: [unreachable], text: "Hello" })).error!;
console.log("failure", failure.status, failure.code, failure.retry === "never", failure.message);
// openapi-fetch takes 207 for a success.
const mixed = await send({ to: [phone, unreachable], text: "Hello" });
console.log("mixed", mixed.response.status, mixed.data?.code, mixed.data?.results?.length);
console.log("all", (await send({ to: [phone, unreachable], text: "Hello" }, "all")).error?.status);
const unauthorized = (await newClient("wrong").GET("/")).error!;
console.log("key", unauthorized.status, unauthorized.message);
const about = (await client.GET("/")).data!;
console.log("about", about.name, `[${about.agents}]`);
