// SPDX-License-Identifier: Apache-2.0
/*
 * Official clients against aftertap serve --http, with a bearer token: the
 * SDKs in each era and over the old transport, mcp-remote as a bridge from
 * stdio, the Inspector, and the example client that we ship.
 *
 * usage: node http.mjs AFTERTAP WORK_DIR
 */
import { spawn, spawnSync } from 'node:child_process';
import { rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { Client as ClientV1 } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { StdioClientTransport } from
	'@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport as HttpV1 } from
	'@modelcontextprotocol/sdk/client/streamableHttp.js';
import { Client as ClientV2, StreamableHTTPClientTransport as HttpV2 } from
	'@modelcontextprotocol/client';

import { Checks } from './checks.mjs';
import { prepare } from './prepare.mjs';
import * as traffic from './traffic.mjs';

const TOKEN = 'operator-token-of-one-test';
const INFO = { name: 'aftertap-conformance', version: '1.0.0' };
const INSPECTOR = 'node_modules/@modelcontextprotocol/inspector/clients/' +
	'launcher/build/index.js';
const REMOTE = 'node_modules/mcp-remote/dist/proxy.js';
const TIMEOUT_MS = 60_000;
const TOOL_FAILED = 5; /* the Inspector's exit status */
const NO_ACCESS = 3;

const [aftertap, work] = process.argv.slice(2);
const scratch = join(work, 'scratch', 'http');
const home = join(scratch, 'home');
const checks = new Checks();
const environment = { PATH: process.env.PATH, HOME: scratch,
	MCP_INSPECTOR_SECRET_STORE: 'memory' };
const authorization = { Authorization: `Bearer ${TOKEN}` };

/* {url, end} of a running server. */
async function serve() {
	const child = spawn(aftertap, ['--home', home, 'serve', '--http',
		'127.0.0.1:0', '--allow-path', scratch, '--no-access-log'], {
		stdio: ['ignore', 'ignore', 'pipe'],
		env: { ...environment, AFTERTAP_TOKENS: `operator:${TOKEN}` },
	});

	for await (const line of createInterface({ input: child.stderr })) {
		const url = /url=(http:\S+)/.exec(line)?.[1];

		if (url) {
			child.stderr.resume();
			return { url, end: () => child.kill() };
		}
	}
	throw new Error('aftertap serve --http ended');
}

/* What any client must be able to do. */
async function use(what, client) {
	const { tools } = await client.listTools();
	const calls = await client.callTool({ name: 'list_api_calls',
		arguments: { filter: 'http', limit: 1 } });
	const wrong = await client.callTool({ name: 'list_api_calls',
		arguments: { filter: 'htpp' } });
	const { contents } = await client.readResource(
		{ uri: 'aftertap://databases' });
	const { prompts } = await client.listPrompts();

	checks.that(`${what}: tools`, tools.length > 10, tools);
	checks.equal(`${what}: calls are counted`,
		calls.structuredContent?.total, traffic.HTTP_CALLS);
	checks.equal(`${what}: a tool's error`, wrong.isError, true);
	checks.that(`${what}: a resource`,
		contents[0].text.includes('shop/main'), contents);
	checks.that(`${what}: prompts`, prompts.length > 3, prompts);
}

async function progress(what, client) {
	const seen = [];

	await client.callTool({ name: 'export_snapshot_pcap', arguments: {
		snapshot: 'shop', overwrite: true, path: join(scratch, 'p.pcapng'),
		wait_ms: 20_000 } }, undefined, {
		onprogress: ({ progress: value }) => seen.push(value) });
	checks.that(`${what}: progress rises`,
		seen.every((value, i) => i === 0 || value > seen[i - 1]), seen);
}

async function cancel(what, client) {
	const control = new AbortController();
	const asked = client.callTool({ name: 'query_sql', arguments: {
		sql: 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 ' +
			'FROM n) SELECT count(*) FROM n' } }, undefined,
	{ signal: control.signal });

	setTimeout(() => control.abort(), 200);
	await asked.then(
		(result) => checks.that(`${what}: it is cancelled`, false, result),
		() => checks.that(`${what}: it is cancelled`, true));
	await use(`${what}, after a cancellation`, client);
}

async function withClient(what, client, transport, then = () => {}) {
	await checks.step(what, async () => {
		await client.connect(transport);
		await use(what, client);
		then();
		await client.close();
	});
}

async function sdks(url) {
	const options = { requestInit: { headers: authorization } };
	const v1 = new ClientV1(INFO);

	await checks.step('SDK v1', async () => {
		const transport = new HttpV1(new URL(`${url}/mcp`), options);

		await v1.connect(transport);
		await use('SDK v1', v1);
		await progress('SDK v1', v1);
		await cancel('SDK v1', v1);
		checks.that('SDK v1: it had a session', transport.sessionId);
		await transport.terminateSession();
		await v1.close();
	});
	await withClient('SDK v1 on /sse', new ClientV1(INFO),
		new SSEClientTransport(new URL(`${url}/sse`), { ...options,
			eventSourceInit: { fetch: (where, init) => fetch(where,
				{ ...init, headers: { ...init?.headers,
					...authorization } }) } }));
	for (const mode of ['legacy', 'auto', { pin: '2026-07-28' }]) {
		const client = new ClientV2(INFO, { versionNegotiation: { mode } });
		const what = `SDK v2 ${JSON.stringify(mode)}`;

		await withClient(what, client,
			new HttpV2(new URL(`${url}/mcp`), options),
			() => checks.equal(`${what}: the revision`,
				client.getNegotiatedProtocolVersion(),
				mode === 'legacy' ? '2025-11-25' : '2026-07-28'));
	}
}

async function refusals(url) {
	for (const [what, headers] of [['no token', {}],
		['a wrong one', { Authorization: 'Bearer of-somebody-else-x' }]]) {
		const client = new ClientV2(INFO);

		await client.connect(new HttpV2(new URL(`${url}/mcp`),
			{ requestInit: { headers } })).then(
			() => checks.that(`${what} is refused`, false),
			(error) => checks.that(`${what} is refused`,
				/send a token/.test(error.message), error.message));
	}
}

async function remote(url) {
	for (const [path, transport] of [['/mcp', 'http-only'],
		['/sse', 'sse-only']])
		await withClient(`mcp-remote ${path}`, new ClientV1(INFO),
			new StdioClientTransport({
				command: process.execPath,
				args: [join(work, REMOTE), url + path, '--allow-http',
					'--transport', transport, '--header',
					'Authorization:Bearer ${AFTERTAP_TOKEN}'],
				env: { ...environment, AFTERTAP_TOKEN: TOKEN,
					MCP_REMOTE_CONFIG_DIR: scratch },
				stderr: 'ignore',
			}));
}

function inspect(url, options, token = TOKEN) {
	const done = spawnSync(process.execPath, [join(work, INSPECTOR), '--cli',
		url, '--format', 'json',
		...token ? ['--header', `Authorization: Bearer ${token}`] : [],
		...options],
	{ encoding: 'utf8', timeout: TIMEOUT_MS, env: environment });
	let result;

	try {
		result = JSON.parse(done.stdout).result;
	} catch {
		result = undefined;
	}
	return { status: done.status, result, stderr: done.stderr.slice(-500) };
}

function inspector(url) {
	const calls = ['--method', 'tools/call', '--tool-name', 'list_api_calls',
		'--tool-args-json'];
	const ways = ['legacy', 'auto', 'modern'].map((era) => [era,
		`${url}/mcp`, ['--transport', 'http', '--protocol-era', era]]);

	ways.push(['sse', `${url}/sse`, ['--transport', 'sse']]);
	for (const [way, where, options] of ways) {
		const list = inspect(where, [...options, '--method', 'tools/list',
			'--strict']);
		const counted = inspect(where, [...options, ...calls,
			'{"filter":"http","limit":1}']);
		const wrong = inspect(where, [...options, ...calls,
			'{"filter":"htpp"}']);

		checks.that(`Inspector ${way}: tools, strictly`, list.status === 0 &&
			list.result?.tools.length > 10, list);
		checks.equal(`Inspector ${way}: calls are counted`,
			counted.result?.structuredContent?.total, traffic.HTTP_CALLS);
		checks.equal(`Inspector ${way}: a tool's error`, wrong.status,
			TOOL_FAILED);
	}
	const denied = inspect(`${url}/mcp`, ['--transport', 'http', '--method',
		'tools/list'], null);
	checks.equal('Inspector: no token, no access', denied.status, NO_ACCESS);
}

function example(url) {
	const file = join(scratch, 'shop.pcap');
	const ways = [
		['http', [`${url}/mcp`]],
		['stdio', [aftertap, '--home', home, 'serve', '--allow-path',
			scratch]],
	];

	for (const [way, where] of ways) {
		const out = join(scratch, `${way}.pcapng`);
		const done = spawnSync(process.execPath,
			[join(work, 'workflow.ts'), file, out, ...where],
			{ encoding: 'utf8', timeout: TIMEOUT_MS,
				env: { ...environment, AFTERTAP_TOKEN: TOKEN } });
		const failed = traffic.countExchanges((x) => x.status >= 500);

		checks.that(`workflow.ts over ${way}`, done.status === 0 &&
			done.stdout.includes(`${failed} calls failed`) &&
			statSync(out, { throwIfNoEntry: false })?.size > 0,
		done.stdout + done.stderr);
		rmSync(out, { force: true });
	}
}

prepare(aftertap, scratch);
const { url, end } = await serve();
try {
	await sdks(url);
	await refusals(url);
	await remote(url);
	inspector(url);
	example(url);
} finally {
	end();
}
checks.exit('http');
