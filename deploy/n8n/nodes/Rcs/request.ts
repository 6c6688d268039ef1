import { randomUUID } from 'node:crypto';

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
		// retried. A node in a loop runs several times in one execution.
		const context = this.getContext('node');
		context.key ??= randomUUID();
		const run = this.evaluateExpression('{{ $runIndex }}', this.getItemIndex());
		headers['Idempotency-Key'] = `${context.key}-${run}-${this.getItemIndex()}`;
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
	if (body.code && status < 400) {
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
