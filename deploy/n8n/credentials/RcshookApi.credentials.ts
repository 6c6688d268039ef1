import type {
	IAuthenticateGeneric,
	Icon,
	ICredentialTestRequest,
	ICredentialType,
	INodeProperties,
} from 'n8n-workflow';

export class RcshookApi implements ICredentialType {
	name = 'rcshookApi';

	displayName = 'Rcshook API';

	icon: Icon = { light: 'file:../icons/rcs.svg', dark: 'file:../icons/rcs.dark.svg' };

	documentationUrl = 'https://github.com/rcshook/rcshook/tree/main/deploy/n8n#credentials';

	properties: INodeProperties[] = [
		{
			displayName: 'Function URL',
			name: 'url',
			type: 'string',
			default: '',
			required: true,
			placeholder: 'https://rcshook-123456789012.us-central1.run.app',
			description: 'The address of your rcshook function',
		},
		{
			displayName: 'API Key',
			name: 'apiKey',
			type: 'string',
			typeOptions: { password: true },
			default: '',
			required: true,
			description: 'A key of the function, such as the one that deploy/deploy.sh printed',
		},
		{
			displayName: 'Signing Secret',
			name: 'signingSecret',
			type: 'string',
			typeOptions: { password: true },
			default: '',
			placeholder: 'whsec_...',
			description:
				'Only for the RCS Trigger: the value of the secret that the target of your events names in rcshook.yaml',
		},
	];

	authenticate: IAuthenticateGeneric = {
		type: 'generic',
		properties: { headers: { Authorization: '=Bearer {{$credentials.apiKey}}' } },
	};

	// With a valid key, the function lists its agents.
	test: ICredentialTestRequest = {
		request: { baseURL: '={{$credentials.url.trim().replace(/\\/+$/, "")}}', url: '/' },
		rules: [
			{
				type: 'responseCode',
				properties: { value: 401, message: 'The API key is wrong' },
			},
			{
				type: 'responseSuccessBody',
				properties: {
					key: 'agents',
					value: undefined,
					message: 'This address is not an rcshook function: copy the URL of the function',
				},
			},
		] as ICredentialTestRequest['rules'],
	};
}
