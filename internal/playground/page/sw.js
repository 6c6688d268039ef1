// The service worker: the playground without a network, after the first load, with the document that
// responses link, and each other document after it was opened. The builder puts the version of the
// site and its files, each with its hash, in front.

const prefix = "rcshook-playground-";
const name = prefix + version;
const scope = new URL(self.registration.scope).pathname;
const hashes = new Map(files);
const linked = ["docs/responses.html", "docs/document.css"];

/** The hashes keep files of two versions apart, whatever the host and the browser have cached. */
const fresh = (path) => new Request(path, { integrity: hashes.get(path), cache: "no-cache" });

async function install() {
  const cache = await caches.open(name);
  await cache.addAll([...hashes.keys()].filter((path) => !path.startsWith("docs/") || linked.includes(path)).map(fresh));
  await self.skipWaiting();
}

async function activate() {
  for (const old of await caches.keys()) {
    if (old.startsWith(prefix) && old !== name) await caches.delete(old);
  }
  await self.clients.claim();
}

/** The page in place of a document that was not opened before, without a network. */
const offline = (request) => {
  if (request.mode !== "navigate") return Response.error();
  return new Response(
    `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon" href="data:,">
<title>No network</title><p>This document was not opened before, so it needs a network. Open it again when you are online.`,
    { headers: { "Content-Type": "text/html" } },
  );
};

async function respond(path, request) {
  const cache = await caches.open(name);
  let found = await cache.match(path);
  if (!found) {
    found = await fetch(fresh(path)).catch(() => undefined); // the host may have a newer version
    if (!found?.ok) return fetch(request).catch(() => offline(request));
    await cache.put(path, found.clone());
  }
  // Some hosts redirect index.html to its folder, and browsers open no page from a redirect.
  return found.redirected ? new Response(found.body, { headers: found.headers }) : found;
}

self.addEventListener("install", (e) => e.waitUntil(install()));
self.addEventListener("activate", (e) => e.waitUntil(activate()));
self.addEventListener("fetch", (e) => {
  const url = new URL(e.request.url);
  if (url.origin !== location.origin || !url.pathname.startsWith(scope)) return;
  const path = decodeURI(url.pathname.slice(scope.length)).replace(/(^|\/)$/, "$1index.html");
  if (hashes.has(path)) e.respondWith(respond(path, e.request));
});
