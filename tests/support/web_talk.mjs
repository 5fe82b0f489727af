// SPDX-License-Identifier: Apache-2.0
/* web_talk.mjs MODULES PORT AFTERTAP LOG: GraphQL over HTTP and WebSocket, MCP
 * with the SDK's server (which answers with events) and with aftertap at port
 * AFTERTAP, and a stream of events; each is a line of JSON in LOG as its client
 * understood it. */
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, port, aftertap, log] = process.argv.slice(2);
const require = createRequire(modules + '/node_modules/x.js');
const load = (name) => import(pathToFileURL(require.resolve(name)));
const lines = [];
const say = (line) => lines.push(JSON.stringify(line));

const graphql = await load('graphql');
const { createHandler } = await load('graphql-http/lib/use/http');
const { useServer } = await load('graphql-ws/use/ws');
const { createClient } = await load('graphql-ws');
const ws = (await load('ws')).default;
const { McpServer } = await load('@modelcontextprotocol/sdk/server/mcp.js');
const { StreamableHTTPServerTransport } = await load(
	'@modelcontextprotocol/sdk/server/streamableHttp.js');
const { Client } = await load('@modelcontextprotocol/sdk/client/index.js');
const { StreamableHTTPClientTransport } = await load(
	'@modelcontextprotocol/sdk/client/streamableHttp.js');
const { createParser } = await load('eventsource-parser');

const schema = graphql.buildSchema(`
	type Query { hello(name: String): String, broken: String,
		login(user: String, password: String): String }
	type Mutation { add(n: Int): Int }
	type Subscription { ticks: Int, halts: Int }`);
/* What no answer of aftertap may show; each with its own number. */
const SECRET = 'hunter2-of-';

const rootValue = {
	login: () => JSON.stringify({ token: SECRET + 'graphql-answer' }),
	hello: ({ name }) => `hello ${name}`,
	broken: () => { throw new Error('it is "broken"'); },
	add: ({ n }) => n + 1,
	ticks: async function* () {
		for (let n = 0; n < 3; n++)
			yield { ticks: n };
	},
	halts: async function* () {
		yield { halts: 1 };
		throw new Error('halted');
	},
};

function mcp() {
	const server = new McpServer({ name: 'talk', version: '1' },
		{ capabilities: { logging: {} } });

	server.registerTool('good', {}, async ({ sendNotification }) => {
		await sendNotification({ method: 'notifications/message',
			params: { level: 'info', data: 'on the way' } });
		return { content: [{ type: 'text', text: 'fine' }] };
	});
	server.registerTool('login', {}, async () => ({ content: [{ type: 'text',
		text: JSON.stringify({ refresh_token: SECRET + 'mcp-answer' },
			null, 1) }] }));
	server.registerTool('bad', {}, async () => ({ isError: true,
		content: [{ type: 'text', text: 'it went "wrong"' }] }));
	return server;
}

const EVENTS = [': first\n\nid: 1\ndata: a\ndata: b\n\n',
	'event: add\nid: 2\ndata: {"x": "\u00e4\u{1f600}"}\n\nda',
	'ta: split\r\n\r\nid\nevent: none\n\nretry: 9\ndata: ' +
		'x'.repeat(6000) + '\n\n'];

const onGraphql = createHandler({ schema, rootValue });

async function onMcp(request, response) {
	const transport = new StreamableHTTPServerTransport(
		{ sessionIdGenerator: undefined });

	await mcp().connect(transport);
	await transport.handleRequest(request, response);
}

async function onEvents(response) {
	response.writeHead(200, { 'content-type': 'text/event-stream' });
	for (const text of EVENTS) {
		response.write(text);
		await new Promise((done) => setTimeout(done, 20));
	}
	response.end();
}

const server = createServer((request, response) => {
	if (request.url.startsWith('/graphql'))
		onGraphql(request, response);
	else if (request.url === '/mcp')
		onMcp(request, response);
	else
		onEvents(response);
});
const sockets = new ws.WebSocketServer({ server, path: '/graphql' });

useServer({ schema, roots: { query: rootValue, mutation: rootValue,
	subscription: rootValue } }, sockets);
await new Promise((done) => server.listen(port, '127.0.0.1', done));

const base = `http://127.0.0.1:${port}`;

async function graphqlCall(method, body, url, type) {
	const response = await fetch(base + '/graphql' + (url ?? ''), url
		? { headers: { accept: 'application/json' } }
		: { method: 'POST', headers: { 'content-type': type ??
			'application/json' }, body: JSON.stringify(body) });
	const answer = JSON.parse(await response.text());

	say({ kind: 'graphql', method, status: response.status,
		error: answer.errors?.[0].message ?? null });
}

for (let round = 0; round < 10; round++) {
	await graphqlCall('query Greet', { operationName: 'Greet', query:
		'query Greet($n: String) { hello(name: $n) } query Other { broken }',
	variables: { n: '}{"' + round } });
	await graphqlCall('query {broken, hello}', { query: '{ broken hello }' });
	await graphqlCall('mutation Add', { query:
		'# n\nmutation Add { add(n: 1) }' });
	await graphqlCall('query Bad', { query: 'query Bad { nothing }' });
	await graphqlCall('query Got', null, '?query=' +
		encodeURIComponent('query Got { hello(name: "a&b") }'));
}

for (const [body, url] of [
	[{ query: 'query Login { login(user: "a", password: "' + SECRET +
		'graphql-inline") }' }],
	[{ query: 'query Login($p: String) { login(user: "a", password: $p) }',
		variables: { p: 'x', password: SECRET + 'graphql-variable' } }],
	[null, '?query=' + encodeURIComponent('query Login { login(password: "' +
		SECRET + 'graphql-url") }')],
]) {
	await graphqlCall('query Login', body, url);
}

async function overSocket() {
	const client = createClient({ url: `ws://127.0.0.1:${port}/graphql`,
		webSocketImpl: ws, lazy: false, retryAttempts: 0 });
	const run = (method, query) => new Promise((done) => {
		const got = (line) => say({ kind: 'socket', ...line });

		got({ method, error: null });
		client.subscribe({ query }, {
			next: (answer) => got({ method: 'next ' + method,
				error: answer.errors?.[0].message ?? null }),
			error: (errors) => {
				got({ method: 'error ' + method,
					error: errors[0].message });
				done();
			},
			complete: () => {
				got({ method: 'complete ' + method, error: null });
				done();
			},
		});
	});

	await run('subscription Ticks', 'subscription Ticks { ticks }');
	await run('query {hello}', '{ hello(name: "x") }');
	await run('query Broken', 'query Broken { broken }');
	await run('query Wrong', 'query Wrong { wrong }');
	await run('query Login', 'query Login { login(password: "' + SECRET +
		'socket") }');
	client.dispose();
}
await overSocket();

async function overMcp(kind, url) {
	const client = new Client({ name: 'talk', version: '1' });
	const call = async (name, args) => {
		let error = null;

		try {
			const result = await client.callTool({ name,
				arguments: args });
			if (result.isError)
				error = result.content[0].text;
		} catch (e) {
			error = e.message.replace(/^MCP error /, '');
		}
		say({ kind, method: `tools/call ${name}`, error });
	};

	await client.connect(new StreamableHTTPClientTransport(new URL(url)));
	for (let round = 0; round < 5; round++)
		for (const [name, args] of kind === 'mcp'
			? [['good', {}], ['bad', {}], ['missing', {}]]
			: [['list_captures', {}], ['missing', {}],
				['get_api_call', { id: 1, db: 'no/where' }]])
			await call(name, args);
	if (kind === 'mcp')
		await call('login', { password: SECRET + 'mcp-parameter' });
	await client.close();
}
await overMcp('mcp', base + '/mcp');
await overMcp('aftertap', `http://127.0.0.1:${aftertap}/mcp`);

for (let round = 0; round < 3; round++) {
	const response = await fetch(base + '/events');
	const events = [];
	const parser = createParser({ onEvent: (event) => events.push(event) });

	parser.feed(await response.text());
	say({ kind: 'events', events });
}
writeFileSync(log, lines.join('\n') + '\n');
process.exit(0);
