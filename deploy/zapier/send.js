'use strict';

const { pick } = require('./fields');

const options = [
  'unreachable',
  'traffic',
  'ttl',
  'schedule_at',
  'fallback_after',
  'fallback_text',
  'agent',
  'country',
  'dry_run',
];

const sample = {
  ok: true,
  status: 200,
  code: 'accepted',
  retry: 'none',
  message: 'Accepted',
  message_id: '33551445-fda9-5c04-84a0-82897ec22291',
  to: '+12025550123',
  agent: 'default',
  name: 'phones/+12025550123/agentMessages/33551445-fda9-5c04-84a0-82897ec22291',
  send_time: '2026-12-01T09:00:00Z',
  request_id: '4bf92f3577b34da6a3ce929d0e0e4736',
};

const outputFields = [
  { key: 'ok', label: 'Succeeded', type: 'boolean' },
  { key: 'code', label: 'Code' },
  { key: 'message', label: 'Explanation' },
  { key: 'message_id', label: 'Message ID' },
  { key: 'to', label: 'Phone Number' },
  { key: 'agent', label: 'Agent' },
  { key: 'send_time', label: 'Sent At', type: 'datetime' },
  { key: 'schedule_at', label: 'Scheduled For', type: 'datetime' },
  { key: 'fallback_at', label: 'Fallback At', type: 'datetime' },
  { key: 'cause', label: 'Cause' },
  { key: 'status', label: 'Status', type: 'integer' },
  { key: 'retry', label: 'Retry' },
  { key: 'name', label: 'Name at the Platform' },
  { key: 'request_id', label: 'Request ID' },
  { key: 'warnings[]pointer', label: 'Warnings Field' },
  { key: 'warnings[]detail', label: 'Warnings Text' },
];

const perform = (names) => async (z, bundle) => {
  const { unreachable, ...payload } = Object.fromEntries(names.map((name) => [name, bundle.inputData[name]]));
  if (bundle.meta.isLoadingSample) {
    if (bundle.inputDataRaw?.idempotency_key?.includes('{{') === false) {
      throw new z.errors.Error(
        'Message Key: insert an ID of the trigger. This key is the same in every run, so each person would get this message only once.'
      );
    }
    delete payload.idempotency_key;
  }
  const { data } = await z.request('/?profile=all', {
    method: 'POST',
    // As text, since z.request removes {{words}} from an object.
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(payload),
    middlewareData: { unreachable },
  });
  const reused = data.code === 'duplicate' && data.warnings?.find(({ pointer }) => pointer === '/idempotency_key');
  if (reused) {
    throw new z.errors.Error(`Nothing was sent. Message Key: ${reused.detail}`, data.code, data.status);
  }
  return data;
};

const create = (key, noun, label, description, names) => ({
  key,
  noun,
  display: { label, description },
  operation: { inputFields: pick(names), perform: perform(names), sample, outputFields },
});

module.exports = [
  create(
    'message',
    'Message',
    'Send Message',
    'Sends a text, with buttons if you like.',
    ['to', 'text', 'buttons', 'idempotency_key', ...options]
  ),
  create(
    'card',
    'Card',
    'Send Card',
    'Sends a card with an image or a video, a title, a text and buttons.',
    ['to', 'title', 'text', 'image', 'video', 'alt', 'height', 'buttons', 'chips', 'idempotency_key', ...options]
  ),
  create(
    'carousel',
    'Carousel',
    'Send Carousel',
    'Sends 2 to 10 cards side by side, from line items.',
    ['to', 'cards', 'card_width', 'height', 'chips', 'idempotency_key', ...options]
  ),
];
