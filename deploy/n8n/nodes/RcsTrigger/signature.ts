import { createHmac, timingSafeEqual } from 'node:crypto';

const tolerance = 5 * 60; // seconds

/** Returns the HMAC key of a secret: base64, optionally after whsec_. */
export function signingKey(secret: string): Buffer {
	const text = secret
		.trim()
		.replace(/^whsec_/, '')
		.replace(/=+$/, '');
	const key = Buffer.from(text, 'base64');
	// Buffer.from skips characters that are not base64.
	if (!key.length || key.toString('base64').replace(/=+$/, '') !== text) {
		throw new Error('expected base64, optionally after whsec_');
	}
	return key;
}

/**
 * Reports why the function did not sign a request, or undefined if it did. The signature
 * is that of Standard Webhooks: an HMAC of the ID, the time and the body, byte for byte.
 */
export function signatureError(
	key: Buffer,
	headers: Record<string, string | string[] | undefined>,
	body: Buffer,
	now: number,
): string | undefined {
	const { 'webhook-id': id, 'webhook-timestamp': time, 'webhook-signature': signatures } = headers;
	if (typeof id !== 'string' || typeof time !== 'string' || typeof signatures !== 'string') {
		return 'The request is not signed: add a secret to the target in rcshook.yaml';
	}
	const hmac = createHmac('sha256', key).update(`${id}.${time}.`).update(body).digest('base64');
	const expected = Buffer.from(`v1,${hmac}`);
	const matches = signatures.split(' ').some((text) => {
		const signature = Buffer.from(text);
		return signature.length === expected.length && timingSafeEqual(signature, expected);
	});
	// A dot in the ID would make the signed text ambiguous.
	if (!matches || id.includes('.') || !/^\d+$/.test(time)) {
		return 'The signature does not match: the credential needs the secret of the target in rcshook.yaml';
	}
	if (Math.abs(now / 1000 - Number(time)) > tolerance) {
		return 'The signature has expired: its time differs by more than 5 minutes from the clock of n8n';
	}
	return undefined;
}
