import { createHash, randomUUID } from 'node:crypto';

import {
	jsonParse,
	NodeApiError,
	type IDataObject,
	type IExecuteSingleFunctions,
	type IHttpRequestOptions,
	type IN8nHttpFullResponse,
	type INodeExecutionData,
	type JsonObject,
} from 'n8n-workflow';

/** Adds the fields that the user wrote as JSON, and a key that stands for the message. */
export async function prepareMessage(
	this: IExecuteSingleFunctions,
	request: IHttpRequestOptions,
): Promise<IHttpRequestOptions> {
	const more = this.getNodeParameter('additionalFields.moreFields', '{}') as string | IDataObject;
	const fields =
		typeof more === 'string'
			? jsonParse<IDataObject>(more, { errorMessage: 'More Fields: expected a JSON object' })
			: more;
	const body = { ...(request.body as IDataObject), ...fields };
	const headers = { ...request.headers };
	if (!body.idempotency_key && !body.message_id) {
		// The context of a node is empty in a new execution, and kept when a failed one is
		// retried. A node in a loop runs several times in one execution. A tool of an AI agent
		// has another $runIndex in each retry, so that its message takes the place of it.
		const context = this.getContext('node');
		context.key ??= randomUUID();
		const item = this.getItemIndex();
		const message = this.getNode().type.endsWith('Tool')
			? createHash('sha256').update(JSON.stringify(body)).digest('hex')
			: `${this.evaluateExpression('{{ $runIndex }}', item)}-${item}`;
		headers['Idempotency-Key'] = `${context.key}-${message}`;
	}
	return { ...request, body, headers };
}

/** Turns a failure into the error that the user reads: its message, and the next step. */
export async function checkResponse(
	this: IExecuteSingleFunctions,
	items: INodeExecutionData[],
	response: IN8nHttpFullResponse,
): Promise<INodeExecutionData[]> {
	const status = response.statusCode;
	const body = (response.body ?? {}) as IDataObject;
	// Without a key of the user, another message with the same key is a retry.
	const warnings = (body.warnings ?? []) as Array<{ pointer: string; detail: string }>;
	const reused =
		body.code === 'duplicate' &&
		this.getNodeParameter('additionalFields.idempotencyKey', '') &&
		warnings.find((warning) => warning.pointer === '/idempotency_key');
	if (body.code && status < 400 && !reused) {
		return items;
	}
	const errors = (body.errors ?? []) as Array<{ pointer: string; detail: string }>;
	let message = body.message as string;
	let description = body.action as string;
	if (!message) {
		message = `The response is not from rcshook: HTTP ${status}`;
		description =
			'Check the function URL of the credential, and whether it needs a Google sign-in.';
	} else if (errors.length > 1) {
		message = `${body.title}: ${errors.length} errors`;
		description = errors.map((error) => `${error.pointer}: ${error.detail}`).join('<br>');
	} else if (reused) {
		description = `Message Key: ${reused.detail}.`;
	} else if (status === 401) {
		description = 'Enter a key of this function in the credential.';
	} else if (body.retry === 'later' || body.retry === 'now') {
		description =
			'Turn on Retry On Fail in the settings of this node: nothing is sent twice. For many items, also add Batching there, under Request Options.';
	}
	throw new NodeApiError(this.getNode(), body as JsonObject, {
		message,
		description,
		httpCode: String(status),
		itemIndex: this.getItemIndex(),
	});
}
