import {
	NodeConnectionTypes,
	NodeOperationError,
	type IDataObject,
	type IHookFunctions,
	type INodeType,
	type INodeTypeDescription,
	type IWebhookFunctions,
	type IWebhookResponseData,
} from 'n8n-workflow';

import { signatureError, signingKey } from './signature';

export class RcsTrigger implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'RCS Trigger',
		name: 'rcsTrigger',
		icon: { light: 'file:../../icons/rcs.svg', dark: 'file:../../icons/rcs.dark.svg' },
		group: ['trigger'],
		version: 1,
		subtitle: '={{ $parameter["events"].join(", ") }}',
		description: 'Starts the workflow when a user replies, taps a button, gets or reads a message',
		defaults: { name: 'RCS Trigger' },
		inputs: [],
		outputs: [NodeConnectionTypes.Main],
		credentials: [{ name: 'rcshookApi', required: true }],
		webhooks: [
			{
				name: 'default',
				httpMethod: 'POST',
				responseMode: 'onReceived',
				path: 'rcs',
			},
		],
		properties: [
			{
				displayName:
					'The function sends its events to the production URL above, signed. Add the next line to "events:" in rcshook.yaml, with that URL, and deploy the file.',
				name: 'notice',
				type: 'notice',
				default: '',
			},
			{
				displayName: 'Line for rcshook.yaml',
				name: 'line',
				type: 'string',
				noDataExpression: true,
				default: 'n8n: {url: PRODUCTION_URL, secret: projects/PROJECT/secrets/n8n-signing}',
				description:
					'A line to copy; the node does not read it. The secret of this name and the signing secret of the credential must be the same.',
			},
			{
				displayName: 'Events',
				name: 'events',
				type: 'multiOptions',
				default: ['reply', 'button', 'unsubscribed'],
				required: true,
				description: 'The events that start the workflow',
				options: [
					{ name: 'Button', value: 'button', description: 'The user tapped a button or a chip' },
					{ name: 'Delivered', value: 'delivered', description: 'The message is on the phone' },
					{
						name: 'Expired',
						value: 'expired',
						description: 'The message was not delivered in time, and was revoked',
					},
					{
						name: 'Expiry Unsure',
						value: 'expiry_unsure',
						description: 'The message was not delivered in time, but may still arrive',
					},
					{
						name: 'Failed',
						value: 'failed',
						description: 'The function gave up a message or an event',
					},
					{ name: 'Fallback', value: 'fallback', description: 'The SMS of a message was sent' },
					{ name: 'File', value: 'file', description: 'The user sent a picture or another file' },
					{ name: 'Help', value: 'help', description: 'The user wrote HELP' },
					{ name: 'Launch', value: 'launch', description: 'A carrier launched the agent' },
					{ name: 'Location', value: 'location', description: 'The user shared a location' },
					{ name: 'Other', value: 'other', description: 'An event of a new kind' },
					{ name: 'Read', value: 'read', description: 'The user opened the message' },
					{ name: 'Reply', value: 'reply', description: 'The user wrote a text' },
					{
						name: 'Subscribed',
						value: 'subscribed',
						description: 'The user wants to get messages again',
					},
					{
						name: 'Typing',
						value: 'typing',
						description: 'The user is typing: also name it under "only" in rcshook.yaml',
					},
					{
						name: 'Unsubscribed',
						value: 'unsubscribed',
						description: 'The user opted out, as by STOP',
					},
				],
			},
		],
	};

	// The address is in rcshook.yaml, so that there is nothing to create or delete.
	webhookMethods = {
		default: {
			async checkExists(this: IHookFunctions): Promise<boolean> {
				return false;
			},
			async create(this: IHookFunctions): Promise<boolean> {
				const { signingSecret } = await this.getCredentials<{ signingSecret: string }>(
					'rcshookApi',
				);
				try {
					signingKey(signingSecret);
				} catch (error) {
					throw new NodeOperationError(
						this.getNode(),
						`The signing secret of the credential is missing or invalid: ${(error as Error).message}`,
						{ description: 'Enter the value of the secret that the target names in rcshook.yaml.' },
					);
				}
				return true;
			},
			async delete(this: IHookFunctions): Promise<boolean> {
				return true;
			},
		},
	};

	async webhook(this: IWebhookFunctions): Promise<IWebhookResponseData> {
		const { signingSecret } = await this.getCredentials<{ signingSecret: string }>('rcshookApi');
		const request = this.getRequestObject();
		const error = signatureError(
			signingKey(signingSecret),
			request.headers,
			request.rawBody,
			Date.now(),
		);
		if (error) {
			// The function keeps the event, and sends it again.
			this.getResponseObject().status(401).json({ message: error });
			return { noWebhookResponse: true };
		}
		const event = this.getBodyData();
		if (!(this.getNodeParameter('events') as string[]).includes(event.type as string)) {
			return { webhookResponse: { message: 'This workflow ignores events of this type' } };
		}
		return { workflowData: [this.helpers.returnJsonArray(event as IDataObject)] };
	}
}
