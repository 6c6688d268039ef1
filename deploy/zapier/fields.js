'use strict';

const traffic = {
  transaction: 'Transaction, such as an order or an appointment',
  otp: 'One-time password',
  promotion: 'Promotion',
  service: 'Service request',
  acknowledgement: 'Acknowledgement of an opt-out',
};

const buttons = 'Yes, `Track|https://example.com/1042` for a link, or `Call us|tel:+12025550199`';

// The input fields. Their keys are the names of docs/payload.md.
const fields = [
  {
    key: 'to',
    label: 'Phone Number',
    required: true,
    placeholder: '+12025550123',
    helpText: 'The number of the recipient, with the country code. Without it, set Country too.',
  },
  { key: 'text', label: 'Text', type: 'text', helpText: 'Up to 3072 characters, or 2000 in a card.' },
  { key: 'title', label: 'Title', helpText: 'Up to 200 characters.' },
  { key: 'image', label: 'Image URL', helpText: 'A public `https` address, without redirects.' },
  { key: 'video', label: 'Video URL', helpText: 'In place of an image.' },
  { key: 'alt', label: 'Media Description', helpText: 'Describes the image or video for screen readers.' },
  {
    key: 'height',
    label: 'Media Height',
    choices: { short: 'Short', medium: 'Medium', tall: 'Tall' },
    helpText: 'Medium unless you choose another.',
  },
  {
    key: 'buttons',
    label: 'Buttons',
    list: true,
    helpText: `One in each row: ${buttons}. A card has at most 4, a message at most 11.`,
  },
  {
    key: 'cards',
    label: 'Cards',
    children: [
      { key: 'title', label: 'Title' },
      { key: 'text', label: 'Text', type: 'text' },
      { key: 'image', label: 'Image URL', helpText: 'A public `https` address, without redirects.' },
      { key: 'buttons', label: 'Buttons', type: 'text', helpText: `One in each line, at most 4: ${buttons}.` },
    ],
  },
  {
    key: 'card_width',
    label: 'Card Width',
    choices: { small: 'Small', medium: 'Medium' },
    helpText: 'Medium unless you choose another.',
  },
  {
    key: 'chips',
    label: 'Suggested Replies',
    list: true,
    helpText: 'Shown below the message until the next one, at most 11. Written like buttons.',
  },
  {
    key: 'idempotency_key',
    label: 'Message Key',
    required: true,
    placeholder: 'table-ready-1042',
    helpText:
      'The name of the message and an ID of the trigger, such as `table-ready-` and the ID of the reservation. ' +
      'The function sends each key to a number once, so a replay sends no second message. ' +
      'A test in the editor ignores it, and sends a message each time.',
  },
  {
    key: 'unreachable',
    label: 'If the Phone Cannot Get RCS',
    choices: { stop: 'Stop this run of the Zap', continue: 'Continue, with Succeeded = false' },
    default: 'stop',
    helpText:
      'To send an SMS in later steps, choose *Continue*, and add a Filter or Paths on *Succeeded*. ' +
      'A fallback or a queue of the function replaces this choice.',
  },
  {
    key: 'traffic',
    label: 'Message Type',
    choices: traffic,
    helpText: 'People who opted out get no promotions, and no messages without a type.',
  },
  {
    key: 'ttl',
    label: 'Stop Trying After',
    placeholder: '4h',
    helpText: 'For messages that are useless later, such as `10m`, `4h` or `2d`.',
  },
  { key: 'schedule_at', label: 'Send At', type: 'datetime', helpText: 'At most 30 days ahead. Needs a queue of the function.' },
  {
    key: 'fallback_after',
    label: 'SMS After',
    placeholder: '2m',
    helpText: 'If the function has a fallback and a queue: how long RCS may take, such as `60s` or `2m`.',
  },
  {
    key: 'fallback_text',
    label: 'SMS Text',
    type: 'text',
    helpText: 'If the function has a fallback: its text, in place of the text of the message.',
  },
  {
    key: 'agent',
    label: 'Agent',
    dynamic: 'agent.id.name',
    helpText: 'The sender. Without one, the agent `default`.',
  },
  {
    key: 'country',
    label: 'Country',
    placeholder: 'US',
    helpText: 'Two letters, for numbers without a country code, such as (202) 555-0123.',
  },
  { key: 'dry_run', label: 'Check Only', type: 'boolean', helpText: 'Checks the message, and sends nothing.' },
];

const find = (key) => fields.find((field) => field.key === key);

// label returns the place of a JSON Pointer as the user sees it: Cards 2 Image URL for
// /cards/1/image.
const label = (pointer) =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => (/^\d+$/.test(part) ? Number(part) + 1 : find(part)?.label || part))
    .join(' ');

module.exports = { pick: (names) => names.map(find), label };
