// SPDX-License-Identifier: Apache-2.0
/*
 * The whole way with the official TypeScript SDK: import a capture, freeze it,
 * dissect it, ask about it, export what matters.
 *
 *     npm install @modelcontextprotocol/client
 *     node workflow.ts CAPTURE EXPORT [aftertap serve …]
 *     node workflow.ts CAPTURE EXPORT http://127.0.0.1:8077/mcp
 *
 * Node 23.6 or newer runs it as it is.  CAPTURE and EXPORT are paths as the
 * server sees them, below its --allow-path.  The token for a server over HTTP
 * is taken from $AFTERTAP_TOKEN.
 */
import { Client, StreamableHTTPClientTransport } from
	'@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';

type Answer = Record<string, any>;

const WAIT_MS = 20_000;

/* Speaks the newest revision that both know. */
async function connect(where: string[]): Promise<Client> {
	const client = new Client({ name: 'aftertap-workflow', version: '1.0.0' },
		{ versionNegotiation: { mode: 'auto' } });
	const token = process.env.AFTERTAP_TOKEN;
	const [first = 'aftertap', ...rest] = where;

	if (/^https?:/.test(first))
		await client.connect(new StreamableHTTPClientTransport(
			new URL(first), token ? { requestInit: {
				headers: { Authorization: `Bearer ${token}` } } } : {}));
	else
		await client.connect(new StdioClientTransport({ command: first,
			args: where.length ? rest : ['serve'] }));
	return client;
}

async function ask(client: Client, name: string, args: Answer = {}):
	Promise<Answer> {
	const result = await client.callTool({ name, arguments: args }) as Answer;

	if (result.isError)
		throw new Error(`${name}: ${result.content[0].text}`);
	return result.structuredContent;
}

/* Asks again while the answer is that it takes longer. */
async function untilDone(client: Client, name: string, args: Answer):
	Promise<Answer> {
	for (;;) {
		const answer = await ask(client, name,
			{ ...args, wait_ms: WAIT_MS });

		if (!['pending', 'running'].includes(answer.state ?? answer.status))
			return answer;
	}
}

/* A large import goes on after the call; the list shows how far it is. */
async function bringIn(client: Client, file: string): Promise<string> {
	const name = `workflow-${process.pid}`;

	await ask(client, 'import_capture',
		{ files: [file], name, wait_ms: WAIT_MS });
	for (;;) {
		const { captures: [capture] } = await ask(client, 'list_captures',
			{ name });

		if (capture.state !== 'importing') {
			console.log(`capture ${name}: ${capture.packets} packets ` +
				`from ${capture.first} to ${capture.last}`);
			return name;
		}
		await new Promise((resolve) => setTimeout(resolve, 1000));
	}
}

async function dissect(client: Client, snapshot: string): Promise<string> {
	const started = await ask(client, 'start_snapshot_dissection',
		{ snapshot });
	const { status } = await untilDone(client,
		'get_snapshot_dissection_status', { snapshot, name: started.name });

	console.log(`dissection ${started.db}: ${status}`);
	return started.db;
}

/* Prints statistics and what failed; the ids of the failed calls. */
async function question(client: Client, db: string): Promise<number[]> {
	const stats = await ask(client, 'get_api_stats',
		{ db, group_by: ['status'] });
	const failed = await ask(client, 'list_api_calls',
		{ db, limit: 5, filter: 'http && status_code >= 500' });

	for (const group of stats.groups)
		console.log('status', JSON.stringify(group));
	console.log(`${failed.total} calls failed`);
	for (const { id } of failed.calls) {
		const { call } = await ask(client, 'get_api_call', { db, id });

		console.log(`  ${call.method} ${call.path}: ${call.status}`);
	}
	return failed.calls.map((call: Answer) => call.id);
}

async function run(file: string, path: string, where: string[]) {
	const client = await connect(where);

	try {
		const capture = await bringIn(client, file);
		const { name: snapshot } = await ask(client, 'create_snapshot',
			{ captures: [capture] });
		const db = await dissect(client, snapshot);
		const calls = await question(client, db);
		const done = await untilDone(client, 'export_snapshot_pcap',
			{ snapshot, path, overwrite: true,
				...(calls.length && { db, calls }) });

		console.log(`${done.packets} packets in ${done.path}`);
	} finally {
		await client.close();
	}
}

const [file, path, ...where] = process.argv.slice(2);
if (!path) {
	console.error('usage: node workflow.ts CAPTURE EXPORT [SERVER… | URL]');
	process.exit(2);
}
await run(file, path, where);
