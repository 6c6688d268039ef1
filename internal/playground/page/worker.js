// The worker with the engine: the function and the simulator, compiled to WebAssembly.
//
// The engine gets {id, method, path, body}, and posts {id, status, body}. For a stream it posts
// {id, chunk} many times, and {id, done}; {id, cancel: true} ends a request. It posts {pong} to
// {ping}, unless it is busy. This file posts {loaded} while it loads the engine, and {failed} if it
// cannot; the engine posts {ready: true}.

import "./wasm_exec.js"; // importScripts needs a policy of trusted types

/** Decompresses the engine, unless the browser has done that for the host. */
function module(response) {
  if (!response.ok) throw new Error(`status ${response.status}`);
  let loaded = 0;
  const count = new TransformStream({
    transform(chunk, controller) {
      loaded += chunk.length;
      postMessage({ loaded });
      controller.enqueue(chunk);
    },
  });
  let body = response.body.pipeThrough(count);
  if (!response.headers.get("Content-Encoding")) body = body.pipeThrough(new DecompressionStream("gzip"));
  return new Response(body, { headers: { "Content-Type": "application/wasm" } });
}

async function start() {
  const go = new Go();
  const { instance } = await WebAssembly.instantiateStreaming(module(await fetch("engine.wasm.gz")), go.importObject);
  // Nothing leaves the page: the engine has no network.
  for (const name of ["fetch", "XMLHttpRequest", "WebSocket", "WebTransport", "EventSource"]) {
    Object.defineProperty(self, name, { value: undefined });
  }
  await go.run(instance);
  throw new Error("the engine stopped");
}

start().catch((e) => postMessage({ failed: e.message }));
