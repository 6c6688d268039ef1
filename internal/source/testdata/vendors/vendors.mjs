// Signs webhooks with the vendors' own libraries, and verifies the webhooks on stdin with
// them:
//
//   stdin   [{preset, secret, url, query, headers, body}]
//   stdout  {"signed": [the same shape], "verified": {preset: true or an error}}
//
// Header names on stdin are in lower case.

import { createHash } from "node:crypto";
import { EventEmitter } from "node:events";
import https from "node:https";
import { Readable } from "node:stream";
import { text } from "node:stream/consumers";

import { verifyWebhook as clerkVerify } from "@clerk/backend/webhooks";
import EasyPostClient from "@easypost/api";
import { Signature } from "@hubspot/api-client";
import { LinearWebhookClient } from "@linear/sdk/webhooks";
import { signWebhookPayload as notionSign, verifyWebhookSignature as notionVerify } from "@notionhq/client";
import { sign as octokitSign, verify as octokitVerify } from "@octokit/webhooks-methods";
import { Paddle } from "@paddle/paddle-node-sdk";
import "@shopify/shopify-api/adapters/node";
import { LogSeverity, shopifyApi } from "@shopify/shopify-api";
import bolt from "@slack/bolt";
import { verifyKey } from "discord-interactions";
import { parse as goCardlessParse } from "gocardless-nodejs";
import Razorpay from "razorpay";
import SNSValidator from "sns-validator";
import { Webhook } from "standardwebhooks";
import Stripe from "stripe";
import { Webhook as Svix } from "svix";
import { Telegraf } from "telegraf";
import twilio from "twilio";
import { WebflowClient } from "webflow-api";

// An absolute path, because the package does not export this file.
const { createSHA256HMAC } = await import("./node_modules/@shopify/shopify-api/dist/esm/runtime/crypto/utils.mjs");

const now = new Date();
const seconds = Math.floor(now.getTime() / 1000);
const json = { "content-type": "application/json" };
const form = { "content-type": "application/x-www-form-urlencoded" };

const body = JSON.stringify({ id: 9007199254740993n.toString(), price: 19.9, text: "Größe 👟 <a&b>\u2028", list: [] });
const secret = "s3cret-Größe";
const standardSecret = "whsec_" + Buffer.from("0123456789abcdef0123456789abcdef").toString("base64");
const url = "https://example.com/hooks/it";

const stripe = new Stripe("sk_test_none");
const shopify = shopifyApi({
  apiKey: "none", apiSecretKey: secret, hostName: "example.com", apiVersion: "2026-01", isEmbeddedApp: false,
  logger: { level: LogSeverity.Error, log: () => {} },
});

function standard(library, prefix, key = standardSecret) {
  const id = `msg_${seconds}`;
  return {
    ...json, [`${prefix}-id`]: id, [`${prefix}-timestamp`]: String(seconds),
    [`${prefix}-signature`]: new library(key).sign(id, now, body),
  };
}

// The documentation of BigCommerce encodes its secret for the library of Standard Webhooks.
const encoded = (text) => Buffer.from(text).toString("base64");

// The library accepts the signature of an escaped query for a query that is not escaped.
function twilioSIP() {
  const params = { Body: "HELP" };
  const query = "To=sip:alice@example.com";
  const signature = twilio.getExpectedTwilioSignature(secret, `${url}?To=sip%3Aalice%40example.com`, params);
  if (!twilio.validateRequest(secret, signature, `${url}?${query}`, params)) {
    throw new Error("the library rejects the escaped query");
  }
  return { preset: "twilio", secret, url, query, body: new URLSearchParams(params).toString(), headers: { ...form, "x-twilio-signature": signature } };
}

async function signed() {
  const stripeSecret = "whsec_" + secret; // not decoded
  const params = { From: "+12025550123", Body: "Größe 👟", MessageSid: "SM1", AccountSid: "AC1" };
  const hash = `bodySHA256=${createHash("sha256").update(body).digest("hex")}`;
  const millis = now.getTime();
  return [
    {
      preset: "stripe", secret: stripeSecret, body,
      headers: { ...json, "stripe-signature": stripe.webhooks.generateTestHeaderString({ payload: body, secret: stripeSecret }) },
    },
    { preset: "github", secret, body, headers: { ...json, "x-hub-signature-256": await octokitSign(secret, body) } },
    { preset: "standard-webhooks", secret: standardSecret, body, headers: standard(Webhook, "webhook") },
    { preset: "bigcommerce", secret, body, headers: standard(Webhook, "webhook", encoded(secret)) },
    { preset: "clerk", secret: standardSecret, body, headers: standard(Svix, "svix") },
    { preset: "supabase", secret: "v1," + standardSecret, body, headers: standard(Webhook, "webhook") },
    { preset: "notion", secret, body, headers: { ...json, "x-notion-signature": await notionSign({ body, verificationToken: secret }) } },
    { preset: "svix", secret: standardSecret, body, headers: standard(Svix, "svix") },
    { preset: "shopify", secret, body, headers: { ...json, "x-shopify-hmac-sha256": await createSHA256HMAC(secret, body) } },
    {
      preset: "twilio", secret, url, body: new URLSearchParams(params).toString(),
      headers: { ...form, "x-twilio-signature": twilio.getExpectedTwilioSignature(secret, url, params) },
    },
    {
      preset: "twilio", secret, url, query: hash, body,
      headers: { ...json, "x-twilio-signature": twilio.getExpectedTwilioSignature(secret, `${url}?${hash}`, {}) },
    },
    twilioSIP(),
    {
      preset: "hubspot", secret, url, query: "portal=My%20Shop&next=%2Fthanks", body,
      headers: {
        ...json, "x-hubspot-request-timestamp": String(millis),
        // The library leaves it to the caller to unescape the URL as HubSpot documents it.
        "x-hubspot-signature-v3": Signature.getSignature("POST", "v3", { method: "POST", clientSecret: secret, requestBody: body, url: `${url}?portal=My%20Shop&next=/thanks`, timestamp: millis }),
      },
    },
    {
      preset: "hubspot", secret, url, query: "a=1", body,
      headers: {
        ...json, "x-hubspot-request-timestamp": String(millis),
        "x-hubspot-signature-v3": Signature.getSignature("POST", "v3", { method: "POST", clientSecret: secret, requestBody: body, url: `${url}?a=1`, timestamp: millis }),
      },
    },
  ];
}

// The library requires a time of the last minute in the body.
function linear(r) {
  const clock = Date.now;
  Date.now = () => JSON.parse(r.body).webhookTimestamp;
  try {
    return new LinearWebhookClient(r.secret).verify(Buffer.from(r.body), r.headers["linear-signature"]);
  } finally {
    Date.now = clock;
  }
}

// The library accepts a signature for five seconds.
async function paddle(r) {
  const signature = r.headers["paddle-signature"];
  const Clock = Date;
  const then = Number(/ts=(\d+)/.exec(signature)[1]) * 1000;
  globalThis.Date = class extends Clock {
    constructor(...time) {
      super(...(time.length > 0 ? time : [then]));
    }
  };
  try {
    return await new Paddle("none").webhooks.isSignatureValid(r.body, r.secret, signature);
  } finally {
    globalThis.Date = Clock;
  }
}

// The library fetches the certificate from Amazon. The secret of a request is that of the
// stand-in.
function sns(r) {
  const get = https.get;
  https.get = (_, done) => {
    done(Object.assign(Readable.from([r.secret]), { statusCode: 200 }));
    return new EventEmitter();
  };
  return new Promise((resolve) => {
    new SNSValidator().validate(JSON.parse(r.body), (error) => resolve(error ? String(error) : true));
  }).finally(() => {
    https.get = get;
  });
}

const address = (r) => (r.query ? `${r.url}?${r.query}` : r.url);

const checks = {
  bigcommerce: (r) => Boolean(new Webhook(encoded(r.secret)).verify(r.body, r.headers)),
  gocardless: (r) => goCardlessParse(r.body, r.secret, r.headers["webhook-signature"]).length === 2,
  paddle,
  razorpay: (r) => Razorpay.validateWebhookSignature(r.body, r.headers["x-razorpay-signature"], r.secret),
  webflow: (r) => new WebflowClient({ accessToken: "none" }).webhooks.verifySignature({ headers: r.headers, body: r.body, secret: r.secret }),
  clerk: async (r) => {
    const headers = Object.fromEntries(Object.entries(r.headers).map(([name, value]) => [name.replace("webhook-", "svix-"), value]));
    return Boolean(await clerkVerify(new Request(url, { method: "POST", headers, body: r.body }), { signingSecret: r.secret }));
  },
  discord: (r) => verifyKey(r.body, r.headers["x-signature-ed25519"], r.headers["x-signature-timestamp"], r.secret),
  notion: (r) => notionVerify({ body: r.body, signature: r.headers["x-notion-signature"], verificationToken: r.secret }),
  supabase: (r) => Boolean(new Webhook(r.secret).verify(r.body, r.headers)),
  easypost: (r) => Boolean(new EasyPostClient("none").Utils.validateWebhook(Buffer.from(r.body), r.headers, r.secret)),
  linear,
  sns,
  "sns version 1": sns,
  "sns confirmation": sns,
  telegram: (r) => new Telegraf("1:none").webhookFilter.call({ path: "/it", secretToken: r.secret }, { method: "POST", url: "/it", headers: r.headers }),
  stripe: (r) => Boolean(stripe.webhooks.constructEvent(r.body, r.headers["stripe-signature"], r.secret)),
  github: (r) => octokitVerify(r.secret, r.body, r.headers["x-hub-signature-256"]),
  "standard-webhooks": (r) => Boolean(new Webhook(r.secret).verify(r.body, r.headers)),
  svix: (r) => Boolean(new Svix(r.secret).verify(r.body, r.headers)),
  slack: (r) => {
    bolt.verifySlackRequest({ signingSecret: r.secret, body: r.body, headers: r.headers });
    return true;
  },
  shopify: async (r) => {
    const own = shopifyApi({
      apiKey: "none", apiSecretKey: r.secret, hostName: "example.com", apiVersion: "2026-01", isEmbeddedApp: false,
      logger: { level: LogSeverity.Error, log: () => {} },
    });
    const rawRequest = { method: "POST", url: "/", headers: { ...r.headers, "x-shopify-api-version": "2026-01", "x-shopify-topic": "orders/paid", "x-shopify-shop-domain": "example.myshopify.com", "x-shopify-webhook-id": "1" } };
    const result = await own.webhooks.validate({ rawBody: r.body, rawRequest, rawResponse: {} });
    return result.valid || JSON.stringify(result);
  },
  twilio: (r) => twilio.validateRequest(r.secret, r.headers["x-twilio-signature"], address(r), Object.fromEntries(new URLSearchParams(r.body))),
  hubspot: (r) =>
    Signature.isValid({
      signatureVersion: "v3", signature: r.headers["x-hubspot-signature-v3"], method: "POST", clientSecret: r.secret,
      requestBody: r.body, url: address(r), timestamp: Number(r.headers["x-hubspot-request-timestamp"]),
    }),
};

const verified = {};
for (const r of JSON.parse(await text(process.stdin))) {
  try {
    verified[r.preset] = await checks[r.preset](r);
  } catch (e) {
    verified[r.preset] = String(e);
  }
}
console.log(JSON.stringify({ signed: await signed(), verified }));
