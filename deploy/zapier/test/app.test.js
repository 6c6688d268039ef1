'use strict';

// These tests run against rcshook dev. TestZapier in cmd/rcshook starts both.
process.env.NODE_ENV = 'test';

const assert = require('node:assert/strict');
const { createServer } = require('node:http');
const { once } = require('node:events');
const { after, before, test } = require('node:test');

const zapier = require('zapier-platform-core');
const App = require('..');

const { RCSHOOK_URL: url, RCSHOOKTEST_SIM_URL: sim, RCSHOOKTEST_SIGNING_SECRET: signingSecret } = process.env;
const authData = { url, key: 'dev', signing_secret: signingSecret };
const tester = zapier.createAppTester(App);
const phone = '+12025550123';

// run calls an operation as a live Zap does, or with another bundle.
const run = (operation, inputData = {}, bundle = {}) =>
  tester(operation.perform, { authData, inputData, inputDataRaw: inputData, meta: {}, ...bundle });
const { message, card, carousel } = Object.fromEntries(
  Object.entries(App.creates).map(([key, { operation }]) => [key, operation])
);

const simulator = async (path, body) => {
  const response = await fetch(sim + path, body && { method: 'POST', body: JSON.stringify(body) });
  assert.ok(response.ok, `${path}: ${response.status}`);
  return response.json().catch(() => undefined);
};
const messages = async (to = phone) =>
  (await simulator('_sim/messages')).messages.filter((sent) => sent.to === to).map((sent) => sent.agent_message);

// failure returns the error of a promise as Zapier gets it. Zapier shows 250 characters.
const failure = async (promise) => {
  const error = await promise.then(
    (result) => assert.fail(`expected an error, got ${JSON.stringify(result)}`),
    (error) => error
  );
  const { name } = error;
  const [text] = error.message.split('\nWhat happened:');
  const parsed = text.startsWith('{') ? JSON.parse(text) : { message: text };
  console.log(`${name}: ${parsed.message.slice(0, 250)}`);
  return { name, ...parsed };
};

// A server that gets the events of dev, and is a Function URL that is not rcshook.
const hooks = [];
let arrived = () => {};
let other = { status: 200, headers: {}, body: '{}' };
const server = createServer(async (request, response) => {
  const content = (await request.toArray()).join('');
  if (request.url === '/events') {
    hooks.push({ headers: request.headers, content });
    arrived();
    return response.end();
  }
  response.writeHead(other.status, other.headers).end(other.body);
});
const otherURL = `http://127.0.0.1:${process.env.RCSHOOKTEST_EVENTS_PORT}`;
before(async () => {
  server.listen(process.env.RCSHOOKTEST_EVENTS_PORT, '127.0.0.1');
  await once(server, 'listening');
});
after(() => server.close());

// event waits for an event of a type, and returns it as Zapier gives it to a trigger.
const event = async (type) => {
  for (;;) {
    const hook = hooks.find(({ content }) => JSON.parse(content).type === type);
    if (hook) {
      const headers = Object.entries(hook.headers).map(([name, value]) => [
        `Http-${name.replace(/\b[a-z]/g, (letter) => letter.toUpperCase())}`,
        value,
      ]);
      const { content } = hook;
      return { rawRequest: { method: 'POST', headers: Object.fromEntries(headers), content }, cleanedRequest: JSON.parse(content) };
    }
    await new Promise((resolve) => (arrived = resolve));
  }
};

test('the definition is valid', async () => {
  const { results } = await zapier.createAppHandler(App)({ command: 'validate' });
  assert.deepEqual(results, []);
  for (const { operation } of [...Object.values(App.creates), ...Object.values(App.searches), ...Object.values(App.triggers)]) {
    assert.ok(Object.keys(operation.sample).length && operation.outputFields.length);
    for (const { key, label } of [...(operation.inputFields || []), ...operation.outputFields]) {
      assert.ok(label, `${key} has no label`);
    }
  }
});

test('the fields are those of the function', async () => {
  const { schemas } = (await (await fetch(`${url}openapi.json?version=3.0`)).json()).components;
  const resolve = (schema) => (schema.$ref ? schemas[schema.$ref.split('/').pop()] : schema);
  const compare = (fields, { properties }) => {
    for (const { key, choices, children } of fields) {
      assert.ok(properties[key], `the function has no field ${key}`);
      assert.deepEqual(choices && Object.keys(choices).sort(), resolve(properties[key]).enum?.sort(), key);
      compare(children || [], schemas.Card);
    }
  };
  for (const { inputFields } of [message, card, carousel]) {
    compare(inputFields.filter(({ key }) => key !== 'unreachable'), schemas.Message);
  }
  for (const { operation } of [...Object.values(App.creates), ...Object.values(App.searches)]) {
    for (const key of [...Object.keys(operation.sample), ...operation.outputFields.map(({ key }) => key.split('[')[0])]) {
      assert.ok(schemas.Result.properties[key], `responses have no member ${key}`);
    }
  }
});

test('authentication', async () => {
  const page = await tester(App.authentication.test, { authData });
  assert.deepEqual(page.agents, ['default']);
  assert.equal(await tester(App.authentication.connectionLabel, { authData, inputData: page }), `${new URL(url).host}, default`);
  for (const pasted of [`${url}//`, ` ${url}?profile=all`]) {
    assert.deepEqual(await tester(App.authentication.test, { authData: { ...authData, url: pasted, key: ' dev\n' } }), page);
  }

  assert.deepEqual(await failure(tester(App.authentication.test, { authData: { ...authData, key: 'wrong' } })), {
    name: 'ExpiredAuthError',
    message: 'The API key is missing or wrong. Reconnect this account with a key of the function.',
  });
  for (const wrong of ['http://rcshook.example.com', 'rk_key_in_the_wrong_field']) {
    const { name, message } = await failure(tester(App.authentication.test, { authData: { url: wrong, key: 'dev' } }));
    assert.equal(name, 'AppError');
    assert.equal(message, 'Function URL: expected an address that starts with https://');
  }
  for (const secret of ['whsec_', 'not base64!', `${signingSecret}|${signingSecret}`]) {
    const error = await failure(tester(App.authentication.test, { authData: { ...authData, signing_secret: secret } }));
    assert.equal(error.message, 'Signing Secret: expected base64, optionally after whsec_');
  }
  const { message } = await failure(tester(App.authentication.test, { authData: { url: otherURL, key: 'dev' } }));
  assert.equal(message, 'Function URL: expected the address of an rcshook function, which this is not.');
});

test('an address that is not rcshook', async () => {
  const ask = () => failure(tester(App.authentication.test, { authData: { url: otherURL, key: 'dev' } }));
  for (const [response, name, delay] of [
    [{ status: 200, headers: {}, body: '<html>' }, 'AppError'],
    [{ status: 404, headers: {}, body: '{"code": 404, "message": "no such page"}' }, 'AppError'],
    [{ status: 401, headers: {}, body: '<html>Unauthorized' }, 'AppError'],
    [{ status: 429, headers: {}, body: 'Rate exceeded.' }, 'ThrottledError'],
    [{ status: 503, headers: { 'retry-after': '20' }, body: 'Service Unavailable' }, 'ThrottledError', 20],
  ]) {
    other = response;
    const error = await ask();
    assert.equal(error.name, name);
    assert.equal(error.delay, delay);
    assert.match(error.message, new RegExp(`^The Function URL responded with HTTP ${response.status}, and not as rcshook does\\.`));
  }
});

test('the drop-down of agents', async () => {
  assert.deepEqual(await run(App.triggers.agent.operation), [{ id: 'default', name: 'default' }]);
});

test('send a message, a card and a carousel', async () => {
  const to = '+12025550161';
  const result = await run(message, {
    to,
    text: 'Use {{SAVE10}}, Ada "Ace" O\'Neil & Söhne.',
    buttons: ['Yes, please', 'Track|https://example.com/1042'],
    traffic: 'transaction',
    idempotency_key: 'table-ready-1042',
  });
  assert.equal(result.ok, true);
  assert.equal(result.code, 'accepted');
  await run(card, {
    to: '(202) 555-0161',
    country: 'US',
    agent: 'default',
    title: 'Order shipped',
    text: 'Arrives Friday.',
    image: 'https://example.com/box.jpg',
    height: 'tall',
    buttons: ['Thanks'],
    chips: ['Menu'],
    ttl: '4h',
    idempotency_key: 'shipped-1042',
  });
  await run(carousel, {
    to,
    cards: [
      { title: 'Trail shoe', text: 'Light', image: 'https://example.com/1.jpg', buttons: 'Buy|https://example.com/1\nNo, thanks' },
      { title: 'Road shoe', text: 'Soft', image: 'https://example.com/2.jpg' },
    ],
    card_width: 'small',
    idempotency_key: 'shoes-1042',
  });
  const reply = (text) => ({ reply: { text, postbackData: text } });
  const open = (text, url) => ({ action: { text, postbackData: text.toLowerCase(), openUrlAction: { url } } });
  const media = (fileUrl, height) => ({ height, contentInfo: { fileUrl } });
  const [first, second, third] = await messages(to);
  assert.deepEqual(first, {
    contentMessage: {
      text: 'Use {{SAVE10}}, Ada "Ace" O\'Neil & Söhne.',
      suggestions: [reply('Yes, please'), open('Track', 'https://example.com/1042')],
    },
    messageTrafficType: 'TRANSACTION',
  });
  assert.equal(second.ttl, '14400s');
  assert.deepEqual(second.contentMessage.suggestions, [reply('Menu')]);
  assert.deepEqual(second.contentMessage.richCard.standaloneCard.cardContent, {
    title: 'Order shipped',
    description: 'Arrives Friday.',
    media: media('https://example.com/box.jpg', 'TALL'),
    suggestions: [reply('Thanks')],
  });
  const { cardWidth, cardContents } = third.contentMessage.richCard.carouselCard;
  assert.equal(cardWidth, 'SMALL');
  assert.deepEqual(cardContents, [
    {
      title: 'Trail shoe',
      description: 'Light',
      media: media('https://example.com/1.jpg', 'MEDIUM'),
      suggestions: [open('Buy', 'https://example.com/1'), reply('No, thanks')],
    },
    { title: 'Road shoe', description: 'Soft', media: media('https://example.com/2.jpg', 'MEDIUM') },
  ]);
});

test('a replay sends nothing again, and another message needs another key', async () => {
  const to = '+12025550162';
  const input = { to, text: 'Your table is ready.', idempotency_key: 'table-ready-17' };
  const first = await run(message, input);
  const replay = await run(message, input);
  assert.equal(replay.message_id, first.message_id);
  await run(message, { to, text: 'Your table is ready.', idempotency_key: 'table-ready-18' });
  assert.equal((await messages(to)).length, 2);

  const error = await failure(run(card, { to, title: 'Thank you', idempotency_key: 'table-ready-17' }));
  assert.equal(error.name, 'AppError');
  assert.equal(error.code, 'duplicate');
  assert.match(error.message, /^Nothing was sent\. Message Key: this key was used for another message before; use a new key/);
  assert.equal((await messages(to)).length, 2);
});

test('a test in the editor sends each time, and refuses a key that is always the same', async () => {
  const to = '+12025550163';
  const input = { to, text: 'Your table is ready.', idempotency_key: 'table-ready-17' };
  const meta = { isLoadingSample: true };
  const raw = { ...input, idempotency_key: 'table-ready-{{123__id}}' };
  await run(message, input, { meta, inputDataRaw: raw });
  await run(message, input, { meta, inputDataRaw: raw });
  assert.equal((await messages(to)).length, 2);

  const error = await failure(run(message, input, { meta }));
  assert.equal(error.name, 'AppError');
  assert.match(error.message, /^Message Key: insert an ID of the trigger\./);
  assert.equal((await messages(to)).length, 2);
});

test('check only', async () => {
  const to = '+12025550164';
  const result = await run(message, { to, text: 'Hello', dry_run: true, idempotency_key: 'hello-1' });
  assert.equal(result.code, 'dry_run');
  assert.deepEqual(await messages(to), []);
});

test('errors of the input name the fields as the user sees them', async () => {
  const error = await failure(
    run(message, { to: '(202) 555-0123', text: 'Hello', buttons: ['Yes', 'Track|htps://example.com'], ttl: 'soon', idempotency_key: 'a-1' })
  );
  assert.equal(error.name, 'AppError');
  assert.equal(error.status, 422);
  assert.equal(error.code, 'invalid_payload');
  const lines = error.message.split('\n');
  assert.equal(lines.length, 3, error.message);
  assert.match(lines[0], /^Phone Number: missing country; write the number with \+/);
  assert.match(lines.join(), /Buttons 2: unsupported link scheme/);
  assert.match(lines.join(), /Stop Trying After: /);

  const cards = await failure(
    run(carousel, { to: phone, cards: [{ title: 'A' }, { title: 'B', image: 'shoe.jpg' }], idempotency_key: 'b-1' })
  );
  assert.match(cards.message, /^Cards 2 Image URL: /);

  const agent = await failure(run(message, { to: phone, text: 'Hello', agent: 'care', idempotency_key: 'c-1' }));
  assert.equal(agent.message, 'Agent: expected the agent default, got "care"');
});

test('a wrong key and an agent that is not launched', async () => {
  const input = { to: '+12025550103', text: 'Hello', idempotency_key: 'hello-1' };
  assert.equal((await failure(run(message, input, { authData: { ...authData, key: 'old' } }))).name, 'ExpiredAuthError');
  for (const unreachable of ['stop', 'continue']) {
    const error = await failure(run(message, { ...input, unreachable }));
    assert.equal(error.name, 'AppError');
    assert.equal(error.code, 'recipient_not_tester');
    assert.match(error.message.slice(0, 250), /Invite the number as a tester .* or launch the agent\./);
  }
});

test('a phone that cannot get RCS stops the run, or continues it', async () => {
  const refused = { phone: '+12025550169', method: 'phones.agentMessages.create', status: 403, message: 'Not launched on this carrier.' };
  await simulator('_sim/failures', { failures: [refused] });
  for (const [to, code] of [
    ['+12025550104', 'recipient_unreachable'],
    ['+12025550140', 'feature_unsupported'],
    [refused.phone, 'agent_not_launched'],
  ]) {
    const input = { to, title: 'A card', text: 'Hello', idempotency_key: 'hello-1' };
    for (const unreachable of [undefined, 'stop']) {
      const error = await failure(run(card, { ...input, unreachable }));
      assert.equal(error.name, 'HaltedError');
    }
    const result = await run(card, { ...input, unreachable: 'continue' });
    assert.equal(result.ok, false);
    assert.equal(result.code, code);
  }
  await simulator('_sim/failures', { failures: [] });
});

test('several recipients with different results are an error', async () => {
  const to = '+12025550168, +12025550104';
  const error = await failure(run(message, { to, text: 'Hello', unreachable: 'continue', idempotency_key: 'hello-1' }));
  assert.equal(error.name, 'AppError');
  assert.equal(error.code, 'mixed');
  assert.equal((await messages('+12025550168')).length, 1);
});

test('a person who opted out stops the run', async () => {
  const to = '+12025550165';
  await run(message, { to, text: 'Hello', traffic: 'transaction', idempotency_key: 'hello-1' });
  await simulator('_sim/user', { phone: to, action: 'unsubscribe' });
  await event('unsubscribed');
  const promotion = { to, text: 'Half price', traffic: 'promotion', ttl: '1d', unreachable: 'continue', idempotency_key: 'sale-1' };
  const error = await failure(run(message, promotion));
  assert.equal(error.name, 'HaltedError');
  assert.match(error.message, /^The recipient opted out of these messages\. Do not send it by SMS/);
});

test('Zapier repeats failures that pass, after the time of the function', async () => {
  for (const status of [429, 503]) {
    const to = '+12025550166';
    const rejected = { phone: to, method: 'phones.agentMessages.create', status, retry_after: '40s' };
    await simulator('_sim/failures', { failures: [rejected] });
    const error = await failure(run(message, { to, text: 'Hello', idempotency_key: 'hello-1' }));
    await simulator('_sim/failures', { failures: [] });
    assert.equal(error.name, 'ThrottledError');
    assert.equal(error.delay, 40);
    assert.match(error.message, new RegExp(`responded ${status} `));
  }
});

test('a replay sends nothing again if the first attempt was sent, but got no response', async () => {
  const to = '+12025550167';
  const input = { to, text: 'Hello', idempotency_key: 'hello-1' };
  await simulator('_sim/failures', { failures: [{ phone: to, method: 'phones.agentMessages.create', break: 'after' }] });
  const error = await failure(run(message, input));
  await simulator('_sim/failures', { failures: [] });
  assert.equal(error.name, 'ThrottledError');
  assert.equal((await run(message, input)).ok, true);
  assert.equal((await messages(to)).length, 1);
});

test('check a number', async () => {
  const { operation } = App.searches.capabilities;
  const [found] = await run(operation, { to: '(202) 555-0123', country: 'US' });
  assert.deepEqual(Object.keys(found).sort(), Object.keys(operation.sample).sort());
  assert.equal(found.to, phone);
  assert.equal(found.reachable, true);
  const [missing] = await run(operation, { to: '+12025550104' });
  assert.equal(missing.reachable, false);
  assert.equal((await failure(run(operation, { to: '12' }))).code, 'invalid_phone');
});

test('samples of events', async () => {
  const { operation } = App.triggers.event;
  const list = (inputData) => tester(operation.performList, { authData, inputData });
  const all = await list({});
  assert.deepEqual(all.map(({ type }) => type).sort(), Object.keys(operation.inputFields[0].choices).sort());
  const [reply, ...rest] = await list({ types: ['reply'] });
  assert.deepEqual(rest, []);
  assert.deepEqual({ ...reply, time: '' }, { ...operation.sample, time: '' });
  assert.deepEqual(Object.keys(operation.sample).sort(), operation.outputFields.map(({ key }) => key).sort());
});

test('events start the trigger if they are of a chosen type and the signature is right', async () => {
  const { operation } = App.triggers.event;
  const { message_id } = await run(message, { to: phone, text: 'Coming?', buttons: ['Yes|=YES'], idempotency_key: 'coming-1' });
  await simulator('_sim/user', { phone, action: 'tap', message_id, suggestion: 'Yes' });
  const tap = await event('button');

  const [started] = await run(operation, {}, tap);
  assert.equal(started.phone, phone);
  assert.equal(started.postback, 'YES');
  assert.deepEqual(await run(operation, { types: ['reply', 'button'] }, tap), [started]);
  assert.deepEqual(await run(operation, { types: ['reply'] }, tap), []);

  const { rawRequest } = tap;
  const { 'Http-Webhook-Signature': signature, ...unsigned } = rawRequest.headers;
  assert.ok(signature.startsWith('v1,'));
  for (const forged of [
    { ...rawRequest, content: rawRequest.content.replace('YES', 'NO') },
    { ...rawRequest, headers: unsigned },
    { ...rawRequest, headers: { ...rawRequest.headers, 'Http-Webhook-Id': 'evt_other' } },
  ]) {
    const error = await failure(run(operation, {}, { ...tap, rawRequest: forged }));
    assert.equal(error.code, 'bad_signature');
  }
  // While the secret is replaced, the function signs with both.
  const both = { ...rawRequest.headers, 'Http-Webhook-Signature': `v1,${'A'.repeat(43)}= ${signature}` };
  assert.deepEqual(await run(operation, {}, { rawRequest: { ...rawRequest, headers: both } }), [started]);
  const open = { ...authData, signing_secret: undefined };
  assert.equal((await run(operation, {}, { rawRequest: { ...rawRequest, headers: unsigned }, authData: open })).length, 1);
});
