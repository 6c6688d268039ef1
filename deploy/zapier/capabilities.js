'use strict';

const { pick } = require('./fields');

const names = ['to', 'country', 'agent'];

module.exports = {
  key: 'capabilities',
  noun: 'Number',
  display: {
    label: 'Check Number',
    description: 'Finds out whether a phone can get RCS from your agent, and what it can show.',
  },
  operation: {
    inputFields: pick(names),
    perform: async (z, { inputData }) => {
      const body = Object.fromEntries(names.map((name) => [name, inputData[name]]));
      const { data } = await z.request('/capabilities', { method: 'POST', body });
      return [data];
    },
    sample: {
      ok: true,
      status: 200,
      code: 'reachable',
      retry: 'none',
      message: 'Reachable by RCS',
      to: '+12025550123',
      agent: 'default',
      reachable_numbers: ['+12025550123'],
      unreachable_numbers: [],
      reachable: true,
      features: ['RICHCARD_STANDALONE', 'ACTION_OPEN_URL'],
      cards: true,
      carousels: false,
      pdf_cards: false,
      links: true,
      webview: false,
      calls: false,
      calendar: false,
      share_location: false,
      view_location: false,
      revocation: false,
      carrier: '',
      request_id: '4bf92f3577b34da6a3ce929d0e0e4736',
    },
    outputFields: [
      { key: 'reachable', label: 'Reachable', type: 'boolean' },
      { key: 'to', label: 'Phone Number' },
      { key: 'cards', label: 'Cards', type: 'boolean' },
      { key: 'carousels', label: 'Carousels', type: 'boolean' },
      { key: 'pdf_cards', label: 'PDF Cards', type: 'boolean' },
      { key: 'links', label: 'Link Buttons', type: 'boolean' },
      { key: 'webview', label: 'Links Inside the Conversation', type: 'boolean' },
      { key: 'calls', label: 'Call Buttons', type: 'boolean' },
      { key: 'calendar', label: 'Calendar Buttons', type: 'boolean' },
      { key: 'share_location', label: 'Location Requests', type: 'boolean' },
      { key: 'view_location', label: 'Map Buttons', type: 'boolean' },
      { key: 'revocation', label: 'Revocation', type: 'boolean' },
      { key: 'carrier', label: 'Carrier (US)' },
      { key: 'agent', label: 'Agent' },
      { key: 'features', label: 'Features', list: true },
      { key: 'cause', label: 'Cause' },
      { key: 'code', label: 'Code' },
      { key: 'message', label: 'Explanation' },
      { key: 'request_id', label: 'Request ID' },
    ],
  },
};
