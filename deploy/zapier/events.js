'use strict';

const { createHmac, timingSafeEqual } = require('node:crypto');

const types = {
  reply: 'Reply',
  button: 'Button tapped',
  location: 'Location shared',
  file: 'File sent',
  delivered: 'Message delivered',
  read: 'Message read',
  expired: 'Message expired, and was revoked',
  expiry_unsure: 'Message expired, and was perhaps delivered',
  fallback: 'Message went to its fallback, such as an SMS',
  failed: 'Message, fallback or target given up',
  unsubscribed: 'User opted out (STOP)',
  subscribed: 'User opted in again (START)',
  help: 'User asked for help (HELP)',
  typing: 'User is typing',
  launch: 'Launch state of the agent changed',
  other: 'Other',
};

// verify compares the signature of an event with those of Standard Webhooks. It does not
// compare the time, because Zapier may run a trigger later.
const verify = (z, { authData: { signing_secret: secret }, rawRequest: { headers, content } }) => {
  if (!secret) {
    return;
  }
  // Zapier writes webhook-id as Http-Webhook-Id.
  const sent = Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name.toLowerCase().replace(/^http-/, ''), value])
  );
  const mac = createHmac('sha256', Buffer.from(secret.trim().replace(/^whsec_/, ''), 'base64'))
    .update(`${sent['webhook-id']}.${sent['webhook-timestamp']}.${content}`)
    .digest();
  const valid = (sent['webhook-signature'] || '').split(' ').some((text) => {
    const signature = Buffer.from(text.replace(/^v1,/, ''), 'base64');
    return signature.length === mac.length && timingSafeEqual(signature, mac);
  });
  if (!valid) {
    throw new z.errors.Error(
      'The signature of an event is missing or wrong. Compare Signing Secret of the connection with the secret of the target in rcshook.yaml.',
      'bad_signature',
      401
    );
  }
};

const chosen = (events, { inputData }) =>
  events.filter(({ type }) => !inputData.types?.length || inputData.types.includes(type));

module.exports = {
  key: 'event',
  noun: 'Event',
  display: {
    label: 'New Event',
    description:
      'Triggers when a user replies, taps a button or opts out, and when a message is delivered, read or expired.',
    directions:
      'Store this address as a secret, because anyone who knows it can start your Zap: ' +
      "`printf %s 'ADDRESS' | gcloud secrets create zapier-hook --data-file=-`. Then add these lines to `rcshook.yaml`, " +
      'and deploy it with `deploy/deploy.sh --events`:\n\n' +
      '    events:\n      zapier:\n        url: projects/PROJECT/secrets/zapier-hook\n\n' +
      'Each Zap with this trigger is a target with a name of its own. ' +
      'If the target has a `secret`, write its value into *Signing Secret* of the connection. ' +
      '[More](https://github.com/rcshook/rcshook/blob/main/deploy/zapier/README.md#events)',
  },
  operation: {
    type: 'hook',
    inputFields: [
      {
        key: 'types',
        label: 'Event Types',
        list: true,
        choices: types,
        helpText: 'All types if you choose none. User is typing also needs `only: [typing]` in the target.',
      },
    ],
    perform: async (z, bundle) => {
      verify(z, bundle);
      return chosen([z.JSON.parse(bundle.rawRequest.content)], bundle);
    },
    performList: async (z, bundle) => {
      const { data } = await z.request('/events/sample');
      return chosen(data, bundle);
    },
    sample: {
      id: 'evt_ed6dfd37a775212ecd76079c75e56417',
      type: 'reply',
      time: '2026-12-01T09:00:00Z',
      phone: '+12025550123',
      agent: 'default',
      agent_id: 'example_agent',
      message_id: '',
      reply_id: 'Mxsample',
      status: '',
      text: 'Can I come at 5 pm?',
      postback: '',
      button_type: '',
      file_url: '',
      file_name: '',
      file_type: '',
      file_size: null,
      thumbnail_url: '',
      latitude: null,
      longitude: null,
      keyword: '',
      via: '',
      reason: '',
      platform_type: '',
      raw: '',
      billing: '',
      carrier: '',
      region: '',
      old_state: '',
      new_state: '',
      comment: '',
      acting_party: '',
    },
    outputFields: [
      { key: 'id', label: 'Event ID' },
      { key: 'type', label: 'Event Type' },
      { key: 'time', label: 'Time', type: 'datetime' },
      { key: 'phone', label: 'Phone Number' },
      { key: 'text', label: 'Text' },
      { key: 'postback', label: 'Postback' },
      { key: 'button_type', label: 'Button Type' },
      { key: 'message_id', label: 'Message ID' },
      { key: 'reply_id', label: 'Reply ID' },
      { key: 'status', label: 'Status of the Message' },
      { key: 'reason', label: 'Reason' },
      { key: 'keyword', label: 'Keyword' },
      { key: 'via', label: 'Opted Out Via' },
      { key: 'agent', label: 'Agent' },
      { key: 'agent_id', label: 'Agent ID' },
      { key: 'file_url', label: 'File URL' },
      { key: 'file_name', label: 'File Name' },
      { key: 'file_type', label: 'File Type' },
      { key: 'file_size', label: 'File Size', type: 'integer' },
      { key: 'thumbnail_url', label: 'Thumbnail URL' },
      { key: 'latitude', label: 'Latitude', type: 'number' },
      { key: 'longitude', label: 'Longitude', type: 'number' },
      { key: 'billing', label: 'Billing (US)' },
      { key: 'carrier', label: 'Carrier (US)' },
      { key: 'region', label: 'Launch Region' },
      { key: 'old_state', label: 'Launch Old State' },
      { key: 'new_state', label: 'Launch New State' },
      { key: 'comment', label: 'Launch Comment' },
      { key: 'acting_party', label: 'Launch Acting Party' },
      { key: 'platform_type', label: 'Other Type' },
      { key: 'raw', label: 'Other Data' },
    ],
  },
};
