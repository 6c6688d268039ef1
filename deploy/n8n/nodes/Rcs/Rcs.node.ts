import {
	NodeConnectionTypes,
	type IDisplayOptions,
	type INodeProperties,
	type INodePropertyRouting,
	type INodeType,
	type INodeTypeDescription,
} from 'n8n-workflow';

import { checkResponse, prepareMessage } from './request';

const show = (...operations: string[]): IDisplayOptions => ({ show: { operation: operations } });

// The operation, for the options of a collection.
const showOption = (...operations: string[]): IDisplayOptions => ({
	show: { '/operation': operations },
});

const messages = ['sendMessage', 'sendCard', 'sendCarousel'];

const body = (property: string, value?: string): INodePropertyRouting => ({
	send: { type: 'body', property, value },
});

const send: INodePropertyRouting = {
	request: {
		method: 'POST',
		url: '/',
		// With "all", the failure of one recipient is a failure. "soft" makes it an output.
		qs: { profile: '={{ $parameter.additionalFields.continueIfUndeliverable ? "soft" : "all" }}' },
		ignoreHttpStatusErrors: true,
	},
	send: { preSend: [prepareMessage] },
	output: { postReceive: [checkResponse] },
};

const buttons: INodeProperties = {
	displayName: 'Buttons',
	name: 'buttons',
	type: 'fixedCollection',
	placeholder: 'Add Button',
	default: {},
	typeOptions: { multipleValues: true, sortable: true },
	description: 'A button without a link or a phone number is a suggested reply',
	options: [
		{
			displayName: 'Button',
			name: 'button',
			values: [
				{
					displayName: 'Label',
					name: 'label',
					type: 'string',
					default: '',
					description: 'The text on the button, at most 25 characters',
				},
				{
					displayName: 'Link',
					name: 'url',
					type: 'string',
					default: '',
					placeholder: 'https://example.com/t/1042',
					description: 'The page that the button opens',
				},
				{
					displayName: 'Phone Number',
					name: 'phone',
					type: 'string',
					default: '',
					placeholder: '+12025550199',
					description: 'The number that the button dials',
				},
				{
					displayName: 'Postback',
					name: 'postback',
					type: 'string',
					default: '',
					placeholder: 'ORDER_YES',
					description: 'The text that the RCS Trigger gets when the user taps the button',
				},
			],
		},
	],
};

const title: INodeProperties = {
	displayName: 'Title',
	name: 'title',
	type: 'string',
	default: '',
	description: 'The title of the card, at most 200 characters',
};

const text: INodeProperties = {
	displayName: 'Text',
	name: 'text',
	type: 'string',
	typeOptions: { rows: 3 },
	default: '',
};

const image: INodeProperties = {
	displayName: 'Image',
	name: 'image',
	type: 'string',
	default: '',
	placeholder: 'https://cdn.example.com/box.jpg',
	description: 'The public URL of an image',
};

export class Rcs implements INodeType {
	description: INodeTypeDescription = {
		displayName: 'RCS',
		name: 'rcs',
		icon: { light: 'file:../../icons/rcs.svg', dark: 'file:../../icons/rcs.dark.svg' },
		group: ['output'],
		version: 1,
		subtitle: '={{ $parameter["operation"] }}',
		description: 'Send RCS messages with rcshook',
		defaults: { name: 'RCS' },
		usableAsTool: true,
		inputs: [NodeConnectionTypes.Main],
		outputs: [NodeConnectionTypes.Main],
		credentials: [{ name: 'rcshookApi', required: true }],
		requestDefaults: {
			baseURL: '={{$credentials.url.trim().replace(/\\/+$/, "")}}',
			headers: { Accept: 'application/json' },
		},
		properties: [
			{
				displayName: 'Operation',
				name: 'operation',
				type: 'options',
				noDataExpression: true,
				default: 'sendMessage',
				options: [
					{
						name: 'Check Number',
						value: 'checkNumber',
						action: 'Check a number',
						description: 'Ask whether a number can get RCS, and which features',
						routing: {
							request: { method: 'POST', url: '/capabilities', ignoreHttpStatusErrors: true },
							output: { postReceive: [checkResponse] },
						},
					},
					{
						name: 'Revoke',
						value: 'revoke',
						action: 'Revoke a message',
						description: 'Take back a message that is not delivered yet',
						routing: {
							request: {
								method: 'DELETE',
								url: '=/messages/{{ encodeURIComponent($parameter.messageId.trim()) }}',
								ignoreHttpStatusErrors: true,
							},
							output: { postReceive: [checkResponse] },
						},
					},
					{
						name: 'Send Card',
						value: 'sendCard',
						action: 'Send a card',
						description: 'Send an image with a title, a text and buttons',
						routing: send,
					},
					{
						name: 'Send Carousel',
						value: 'sendCarousel',
						action: 'Send a carousel',
						description: 'Send 2 to 10 cards, which the user swipes through',
						routing: send,
					},
					{
						name: 'Send Message',
						value: 'sendMessage',
						action: 'Send a message',
						description: 'Send a text, with buttons',
						routing: send,
					},
				],
			},
			{
				displayName: 'To',
				name: 'to',
				type: 'string',
				required: true,
				default: '',
				placeholder: '+12025550123',
				description: 'The phone number with its country code, or several, separated by commas',
				displayOptions: show(...messages, 'checkNumber'),
				routing: body('to'),
			},
			{
				displayName: 'To',
				name: 'to',
				type: 'string',
				required: true,
				default: '',
				placeholder: '+12025550123',
				description: 'The phone number that the message was sent to',
				displayOptions: show('revoke'),
				routing: body('to'),
			},
			{
				displayName: 'Message ID',
				name: 'messageId',
				type: 'string',
				required: true,
				default: '',
				placeholder: '={{ $json.message_id }}',
				description: 'The message_id in the output of the node that sent the message',
				displayOptions: show('revoke'),
			},
			{
				...text,
				required: true,
				description: 'The text of the message, at most 3072 characters',
				displayOptions: show('sendMessage'),
				routing: body('text'),
			},
			{ ...title, displayOptions: show('sendCard'), routing: body('title') },
			{
				...text,
				description: 'The text below the title, at most 2000 characters',
				displayOptions: show('sendCard'),
				routing: body('description'),
			},
			{ ...image, displayOptions: show('sendCard'), routing: body('image') },
			{
				displayName: 'Cards',
				name: 'cards',
				type: 'fixedCollection',
				placeholder: 'Add Card',
				default: {},
				typeOptions: { multipleValues: true, sortable: true },
				description: '2 to 10 cards. For a list from another node, write "cards" in More Fields.',
				displayOptions: show('sendCarousel'),
				routing: body(
					'cards',
					'={{ $value.card?.map((card) => ({ ...card, buttons: card.buttons?.button })) }}',
				),
				options: [{ displayName: 'Card', name: 'card', values: [title, text, image, buttons] }],
			},
			{
				...buttons,
				displayOptions: show(...messages),
				routing: body('buttons', '={{ $value.button }}'),
			},
			{
				displayName: 'Purpose',
				name: 'traffic',
				type: 'options',
				default: '',
				description: 'Why you send the message. People who opted out get no promotions.',
				options: [
					{ name: 'Not Set', value: '' },
					{ name: 'One-Time Password', value: 'otp' },
					{ name: 'Promotion', value: 'promotion' },
					{ name: 'Service Request', value: 'service' },
					{ name: 'Transaction', value: 'transaction' },
				],
				displayOptions: show(...messages),
				routing: body('traffic'),
			},
			{
				displayName: 'Additional Fields',
				name: 'additionalFields',
				type: 'collection',
				placeholder: 'Add Field',
				default: {},
				options: [
					{
						displayName: 'Agent Name or ID',
						name: 'agent',
						type: 'options',
						typeOptions: {
							loadOptions: {
								routing: {
									request: { url: '/' },
									output: {
										postReceive: [
											{ type: 'rootProperty', properties: { property: 'agents' } },
											{
												type: 'setKeyValue',
												properties: { name: '={{ $responseItem }}', value: '={{ $responseItem }}' },
											},
										],
									},
								},
							},
						},
						default: '',
						description:
							'The sender, in place of the default agent of the function. Choose from the list, or specify an ID using an <a href="https://docs.n8n.io/code/expressions/">expression</a>.',
						routing: body('agent'),
					},
					{
						displayName: 'Continue If Undeliverable',
						name: 'continueIfUndeliverable',
						type: 'boolean',
						default: true,
						description:
							'Whether a message that can never be sent is an output with "ok": false and a code, such as recipient_unreachable, in place of an error',
						displayOptions: showOption(...messages),
					},
					{
						displayName: 'Country',
						name: 'country',
						type: 'string',
						default: '',
						placeholder: 'US',
						description: 'The two-letter country of numbers without a country code',
						routing: body('country'),
					},
					{
						displayName: 'Dry Run',
						name: 'dryRun',
						type: 'boolean',
						default: true,
						description: 'Whether to check everything and send nothing',
						displayOptions: showOption(...messages),
						routing: body('dry_run'),
					},
					{
						displayName: 'Expire After',
						name: 'ttl',
						type: 'string',
						default: '',
						placeholder: '2h',
						description: 'How long RCS tries to deliver the message, such as 90s, 10m, 2h or 2d',
						displayOptions: showOption(...messages),
						routing: body('ttl'),
					},
					{
						displayName: 'Fallback After',
						name: 'fallbackAfter',
						type: 'string',
						default: '',
						placeholder: '60s',
						description:
							'Revoke the message and send the fallback of the function, such as an SMS, if RCS does not deliver within this time',
						displayOptions: showOption(...messages),
						routing: body('fallback_after'),
					},
					{
						displayName: 'Fallback Text',
						name: 'fallbackText',
						type: 'string',
						default: '',
						description: 'The text of the SMS, in place of that of the message',
						displayOptions: showOption(...messages),
						routing: body('fallback_text'),
					},
					{
						displayName: 'Message Key',
						name: 'idempotencyKey',
						type: 'string',
						default: '',
						placeholder: '=order-{{ $json.order }}-shipped',
						description:
							'A name of this message. Messages with the same key are sent only once, also from other executions. Without it, retries of an execution send nothing twice.',
						displayOptions: showOption(...messages),
						routing: body('idempotency_key'),
					},
					{
						displayName: 'More Fields (JSON)',
						name: 'moreFields',
						type: 'json',
						default: '{}',
						description:
							'Other <a href="https://github.com/rcshook/rcshook/blob/main/docs/payload.md">fields of the payload</a>, such as {"video": "https://..."}',
						displayOptions: showOption(...messages),
					},
					{
						displayName: 'Send At',
						name: 'scheduleAt',
						type: 'string',
						default: '',
						placeholder: '2026-12-01T17:00Z',
						description:
							'When to send the message, at most 30 days ahead. The function needs a queue.',
						displayOptions: showOption(...messages),
						routing: body('schedule_at'),
					},
				],
			},
		],
	};
}
