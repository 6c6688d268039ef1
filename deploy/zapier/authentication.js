'use strict';

const test = async (z, { authData: { signing_secret: secret } }) => {
  // An empty key would make the signature of anyone valid.
  if (secret && !/^(whsec_)?[A-Za-z0-9+/]+=*$/.test(secret.trim())) {
    throw new z.errors.Error('Signing Secret: expected base64, optionally after whsec_');
  }
  const { data } = await z.request('/');
  if (data.name !== 'rcshook') {
    throw new z.errors.Error('Function URL: expected the address of an rcshook function, which this is not.');
  }
  return data;
};

const connectionLabel = (z, { authData, inputData }) =>
  [new URL(authData.url).host, ...(inputData.agents || [])].join(', ');

module.exports = {
  type: 'custom',
  test,
  connectionLabel,
  fields: [
    {
      key: 'url',
      label: 'Function URL',
      required: true,
      isNoSecret: true,
      placeholder: 'https://rcshook-abc123-uc.a.run.app',
      helpText:
        'The address of your function. ' +
        '`gcloud run services describe rcshook --region=REGION --format="value(status.url)"` prints it.',
    },
    {
      key: 'key',
      label: 'API Key',
      type: 'password',
      required: true,
      helpText:
        'A key of your function. A [key for Zapier only](https://github.com/rcshook/rcshook/blob/main/deploy/recipes/README.md#hook-and-key) is safer.',
    },
    {
      key: 'signing_secret',
      label: 'Signing Secret',
      type: 'password',
      required: false,
      helpText:
        'For the trigger New Event: the value of the `secret` of its target in `rcshook.yaml`, which starts with `whsec_`. ' +
        'With it, the trigger refuses events that your function did not send.',
    },
  ],
};
