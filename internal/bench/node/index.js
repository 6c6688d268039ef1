// A function for Node that does the job of rcshook with Google's libraries. It has no
// retries, checks, deadlines or log lines.
'use strict';

const {readFileSync} = require('fs');
const {randomUUID} = require('crypto');
const functions = require('@google-cloud/functions-framework');
const {JWT} = require('google-auth-library');

const {BENCH_MESSAGES: base, BENCH_AGENT: agentId, BENCH_KEY: file} = process.env;
const key = JSON.parse(readFileSync(file, 'utf8'));
const scopes = ['https://www.googleapis.com/auth/rcsbusinessmessaging'];
const client = new JWT({email: key.client_email, key: key.private_key, scopes});
// The library ignores the token_uri of a key.
client.transporter.interceptors.request.add({
  resolved: async options => {
    if (new URL(options.url).hostname === 'oauth2.googleapis.com') options.url = new URL(key.token_uri);
    return options;
  },
});

function suggestion(button) {
  const [text, url] = button.split('|');
  return url
    ? {action: {text, postbackData: text, openUrlAction: {url}}}
    : {reply: {text, postbackData: text}};
}

function agentMessage({title, text, image, buttons = []}) {
  const suggestions = buttons.map(suggestion);
  if (!title && !image) return {contentMessage: {text, suggestions}};
  const media = image && {height: 'MEDIUM', contentInfo: {fileUrl: image}};
  const cardContent = {title, description: text, media, suggestions};
  return {contentMessage: {richCard: {standaloneCard: {cardOrientation: 'VERTICAL', cardContent}}}};
}

functions.http('send', async (req, res) => {
  const messageId = randomUUID();
  const url = `${base}/v1/phones/${encodeURIComponent(req.body.to)}/agentMessages?messageId=${messageId}&agentId=${agentId}`;
  try {
    await client.request({url, method: 'POST', data: agentMessage(req.body)});
    res.json({code: 'accepted', message_id: messageId});
  } catch (error) {
    res.status(error.status === 404 ? 404 : 502).json({code: 'rejected', error: error.message});
  }
});

process.stdin.on('end', () => process.exit()).resume(); // the end of the benchmark
