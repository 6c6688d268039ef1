'use strict';

const { label } = require('./fields');

// The codes after which rcshook uses a fallback: this phone cannot get this message by RCS.
const unreachable = ['recipient_unreachable', 'agent_not_launched', 'feature_unsupported'];

// addServer adds the address of the function and the key to a request for a path.
const addServer = (request, z, { authData }) => {
  const url = authData.url.trim().replace(/\/*([?#].*)?$/, '');
  if (!/^(https:\/\/|http:\/\/(localhost|127\.0\.0\.1)\b)/.test(url)) {
    throw new z.errors.Error('Function URL: expected an address that starts with https://');
  }
  request.url = url + request.url;
  request.headers.authorization = `Bearer ${authData.key}`;
  return request;
};

// explain returns the text for a failure. Zapier shows 250 characters of it, so what to do
// comes before the details.
const explain = ({ title, detail, action, errors, status }) => {
  if (!errors?.length) {
    return `${title}. ${action} (${detail})`;
  }
  const list = errors.map((error) => [label(error.pointer), error.detail].filter(Boolean).join(': ')).join('\n');
  return status === 422 ? list : `${title}.\n${list}`;
};

// checkResponse turns the failures of the function into the errors of Zapier.
const checkResponse = (response, z) => {
  const { data, status, request } = response;
  const delay = Number(response.getHeader('retry-after')) || undefined;
  if (!data || (status >= 400 && !data.action)) {
    const text =
      `The Function URL responded with HTTP ${status}, and not as rcshook does. Compare it with the address ` +
      'of your function, which must accept requests without a Google account (deploy.sh --access keys).';
    throw [429, 503].includes(status)
      ? new z.errors.ThrottledError(text, delay)
      : new z.errors.Error(text, 'not_rcshook', status);
  }
  if (status < 400) {
    return response;
  }
  if (status === 401) {
    throw new z.errors.ExpiredAuthError(`${data.title}. Reconnect this account with a key of the function.`);
  }
  if (delay) {
    throw new z.errors.ThrottledError(data.message, delay);
  }
  const text = explain(data);
  if (unreachable.includes(data.code)) {
    if (request.middlewareData?.unreachable === 'continue') {
      response.skipThrowForStatus = true;
      return response;
    }
    throw new z.errors.HaltedError(text);
  }
  if (data.code === 'recipient_opted_out') {
    throw new z.errors.HaltedError(text);
  }
  throw new z.errors.Error(text, data.code, status);
};

module.exports = { addServer, checkResponse };
