// SPDX-License-Identifier: Apache-2.0
/* The official SDK's clients, old and new, behind one face. */
import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport as StdioV1 } from
	'@modelcontextprotocol/sdk/client/stdio.js';
import * as typesV1 from '@modelcontextprotocol/sdk/types.js';
import { Client as ClientV2 } from '@modelcontextprotocol/client';
import { StdioClientTransport as StdioV2 } from
	'@modelcontextprotocol/client/stdio';

const INFO = { name: 'aftertap-conformance', version: '1.0.0' };
const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

/* How each negotiates, and what must come of it. */
export const KINDS = {
	'v1': { version: '2025-11-25' },
	'v2-legacy': { mode: 'legacy', version: '2025-11-25' },
	'v2-auto': { mode: 'auto', version: '2026-07-28' },
	'v2-modern': { mode: { pin: '2026-07-28' }, version: '2026-07-28' },
	...Object.fromEntries(['2024-11-05', '2025-03-26', '2025-06-18'].map(
		(version) => [version, { mode: 'legacy', only: [version], version }])),
};

async function connectV1(server, onLog) {
	const client = new ClientV1(INFO);
	const transport = new StdioV1(server);
	let version;

	client.setNotificationHandler(
		typesV1.LoggingMessageNotificationSchema,
		(notification) => onLog(notification.params));
	/* The transport is told what was negotiated; the client keeps it. */
	transport.setProtocolVersion = (negotiated) => {
		version = negotiated;
	};
	await client.connect(transport);
	await client.setLoggingLevel('debug');
	return {
		client,
		version,
		call: (params, options) =>
			client.callTool(params, undefined, options),
		async watch(uris, onUpdate) {
			client.setNotificationHandler(
				typesV1.ResourceUpdatedNotificationSchema,
				(notification) => onUpdate(notification.params.uri));
			return subscribe(client, uris);
		},
	};
}

async function subscribe(client, uris) {
	for (const uri of uris)
		await client.subscribeResource({ uri });
	return async () => {
		for (const uri of uris)
			await client.unsubscribeResource({ uri });
	};
}

async function watchV2(client, modern, uris, onUpdate) {
	client.setNotificationHandler('notifications/resources/updated',
		(notification) => onUpdate(notification.params.uri));
	if (!modern)
		return subscribe(client, uris);
	const subscription = await client.listen({ resourceSubscriptions: uris });
	return () => subscription.close();
}

async function connectV2({ mode, only }, server, onLog) {
	const client = new ClientV2(INFO, {
		versionNegotiation: { mode },
		...(only && { supportedProtocolVersions: only }),
	});

	client.setNotificationHandler('notifications/message',
		(notification) => onLog(notification.params));
	await client.connect(new StdioV2(server));
	const modern = client.getProtocolEra() === 'modern';
	if (!modern)
		await client.setLoggingLevel('debug');
	const logging = modern ? { _meta: { [LOG_LEVEL]: 'debug' } } : {};
	return {
		client,
		version: client.getNegotiatedProtocolVersion(),
		call: (params, options) =>
			client.callTool({ ...params, ...logging }, options),
		watch: (uri, onUpdate) => watchV2(client, modern, uri, onUpdate),
	};
}

/*
 * Starts `server` ({command, args, env}) and shakes hands.  `onLog` is given
 * each log message.  Returns {client, version, call, watch}.
 */
export function connect(kind, server, onLog) {
	if (kind === 'v1')
		return connectV1(server, onLog);
	return connectV2(KINDS[kind], server, onLog);
}
