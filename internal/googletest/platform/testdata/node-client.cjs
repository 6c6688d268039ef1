// Talks to the simulator through Google's google-auth-library, in the way of the
// Node samples of the RBM documentation, and prints what it saw as JSON.
//
//   npm install google-auth-library
//   curl -s localhost:8081/_sim/key > key.json
//   node node-client.cjs key.json http://localhost:8081 AGENT_ID +12025550123
//
// With "metadata" in place of the key file, the token comes from the metadata
// server that GCE_METADATA_HOST names. Run it in the folder where the library was
// installed.
'use strict';

const {createRequire} = require('module');
const fs = require('fs');
const path = require('path');
const {Compute, JWT} = createRequire(path.join(process.cwd(), 'index.js'))('google-auth-library');

const scopes = ['https://www.googleapis.com/auth/rcsbusinessmessaging'];

function fromKey(keyFile) {
  const key = JSON.parse(fs.readFileSync(keyFile, 'utf8'));
  // The library does not read the token_uri of a key: it knows Google's only. So the
  // address is changed on the way, and the claim that names it.
  const client = new JWT({
    email: key.client_email,
    key: key.private_key,
    scopes,
    additionalClaims: {aud: key.token_uri},
  });
  client.transporter.interceptors.request.add({
    resolved: async options => {
      if (String(options.url) === 'https://oauth2.googleapis.com/token') {
        options.url = new URL(key.token_uri);
      }
      return options;
    },
  });
  return client;
}

async function main([source, base, agentId, phone]) {
  const client = source === 'metadata' ? new Compute({scopes}) : fromKey(source);
  const call = (method, to, what, query, data) =>
    client.request({
      url: `${base}/v1/phones/${to}/${what}?${query}&agentId=${agentId}`,
      method,
      data,
      headers: {'Content-Type': 'application/json', 'User-Agent': 'rbm-node'},
    });

  const message = {contentMessage: {text: 'Hello from Node', suggestions: [{reply: {text: 'Hi', postbackData: 'hi'}}]}};
  const first = await call('POST', phone, 'agentMessages', 'messageId=node-1', message);
  const again = await call('POST', phone, 'agentMessages', 'messageId=node-1', message);
  const capabilities = await call('GET', phone, 'capabilities', 'requestId=1');
  const unreachable = await call('POST', '+12025550104', 'agentMessages', 'messageId=node-2', message).catch(e => [
    e.response.status,
    e.response.data.error.message,
  ]);
  process.stdout.write(
    JSON.stringify({
      sent: first.data.name,
      repeated: JSON.stringify(first.data) === JSON.stringify(again.data),
      features: capabilities.data.features.includes('RICHCARD_STANDALONE'),
      unreachable,
    }) + '\n'
  );
}

main(process.argv.slice(2)).catch(e => {
  process.stderr.write(`${e.message}\n`);
  process.exit(1);
});
