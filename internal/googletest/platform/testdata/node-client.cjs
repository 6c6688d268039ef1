// Talks to the simulator through Google's libraries for Node, in the way of the samples of
// the RBM documentation, and prints what it saw as JSON.
//
//   npm install google-auth-library googleapis-common
//   curl -s localhost:8081/_sim/key > key.json
//   node node-client.cjs key.json http://localhost:8081 AGENT_ID +12025550123
//
// With "metadata" in place of the key file, the token comes from the metadata
// server that GCE_METADATA_HOST names. Run it in the folder where the libraries were
// installed.
'use strict';

const {createRequire} = require('module');
const fs = require('fs');
const path = require('path');
const load = createRequire(path.join(process.cwd(), 'index.js'));
const {Compute, JWT} = load('google-auth-library');
const {Discovery} = load('googleapis-common');

const scopes = ['https://www.googleapis.com/auth/rcsbusinessmessaging'];

function fromKey(keyFile, base) {
  const key = JSON.parse(fs.readFileSync(keyFile, 'utf8'));
  const client = new JWT({email: key.client_email, key: key.private_key, scopes});
  // The library does not read the token_uri of a key: it knows Google's only, and names it
  // in the assertion. So only the host of that request is changed.
  client.transporter.interceptors.request.add({
    resolved: async options => {
      const url = new URL(options.url);
      if (url.hostname.endsWith('.googleapis.com')) {
        options.url = new URL(url.pathname, base);
      }
      return options;
    },
  });
  return client;
}

async function main([source, base, agentId, phone]) {
  const auth = source === 'metadata' ? new Compute({scopes}) : fromKey(source, base);
  const discovery = new Discovery();
  const createClient = await discovery.discoverAPI(`${base}/$discovery/rest?version=v1`);
  const {phones, users, files} = createClient({auth});

  const message = {contentMessage: {text: 'Hello from Node', suggestions: [{reply: {text: 'Hi', postbackData: 'hi'}}]}};
  const send = (to, messageId) =>
    phones.agentMessages.create({parent: `phones/${to}`, messageId, agentId, requestBody: message});
  const first = await send(phone, 'node-1');
  const again = await send(phone, 'node-1');
  const capabilities = await phones.getCapabilities({name: `phones/${phone}`, requestId: '1', agentId});
  const batch = await users.batchGet({agentId, requestBody: {users: [phone]}});
  const event = await phones.agentEvents.create({parent: `phones/${phone}`, eventId: 'node-e', agentId, requestBody: {eventType: 'IS_TYPING'}});
  const byURL = await files.create({agentId, requestBody: {fileUrl: 'https://example.com/a.png'}});
  const uploaded = await files.create({agentId, requestBody: {agentId}, media: {mimeType: 'image/png', body: 'PNG'}});
  await send('+12025550108', 'node-3');
  const revoked = await phones.agentMessages.delete({name: 'phones/+12025550108/agentMessages/node-3', agentId});
  const error = e => [e.response.status, e.response.data.error.message];
  const unreachable = await send('+12025550104', 'node-2').catch(error);
  process.stdout.write(
    JSON.stringify({
      sent: first.data.name,
      repeated: JSON.stringify(first.data) === JSON.stringify(again.data),
      features: capabilities.data.features.includes('RICHCARD_STANDALONE'),
      reachable: batch.data.reachableUsers,
      event: event.data.eventType,
      files: [byURL, uploaded].map(f => f.data.name.replace(/\/.*/, '')),
      revoked: revoked.status,
      unreachable,
    }) + '\n'
  );
}

main(process.argv.slice(2)).catch(e => {
  process.stderr.write(`${e.message}\n`);
  process.exit(1);
});
