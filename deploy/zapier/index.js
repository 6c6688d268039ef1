'use strict';

const agents = require('./agents');
const authentication = require('./authentication');
const capabilities = require('./capabilities');
const events = require('./events');
const send = require('./send');
const { addServer, checkResponse } = require('./http');

module.exports = {
  version: require('./package.json').version,
  platformVersion: require('zapier-platform-core').version,
  // checkResponse also handles 429.
  flags: { throwForThrottlingEarly: false },
  authentication,
  beforeRequest: [addServer],
  afterResponse: [checkResponse],
  triggers: { [events.key]: events, [agents.key]: agents },
  searches: { [capabilities.key]: capabilities },
  creates: Object.fromEntries(send.map((create) => [create.key, create])),
};
