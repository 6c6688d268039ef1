'use strict';

// The hidden trigger that fills the drop-down of agents.
module.exports = {
  key: 'agent',
  noun: 'Agent',
  display: {
    label: 'List Agents',
    description: 'Lists the agents that the key may use.',
    hidden: true,
  },
  operation: {
    perform: async (z) => {
      const { data } = await z.request('/');
      return data.agents.map((name) => ({ id: name, name }));
    },
    sample: { id: 'default', name: 'default' },
    outputFields: [
      { key: 'id', label: 'ID' },
      { key: 'name', label: 'Name' },
    ],
  },
};
