// SPDX-License-Identifier: Apache-2.0
/*
 * One official client walks the whole way: capture, snapshot, dissection,
 * questions, export, and away with it all.
 *
 * usage: node workflow.mjs v1|v2-legacy|v2-auto|v2-modern AFTERTAP WORK_DIR
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { checkInstructions, checkNamed, checkTools } from './catalogue.mjs';
import { Checks } from './checks.mjs';
import { Session, eventually } from './session.mjs';
import * as traffic from './traffic.mjs';

const DB = 'shop/main';
const MANY_CALLS = 60_000; /* takes a throttled parser a while */
const ENDLESS = 'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL ' +
	'SELECT i + 1 FROM n) SELECT count(*) FROM n';
const PCAPNG_MAGIC = 0x0a0d0d0a;

async function offers(s) {
	const { tools } = await s.client.listTools();
	const { resources } = await s.client.listResources();
	const { resourceTemplates } = await s.client.listResourceTemplates();

	checkTools(s.checks, tools);
	checkInstructions(s.checks, s.client.getInstructions());
	checkNamed(s.checks, 'resources', resources);
	checkNamed(s.checks, 'templates', resourceTemplates);
	s.checks.equal('the server says who it is',
		s.client.getServerVersion()?.name, 'aftertap');
	s.learn(tools);
}

async function prompts(s) {
	const { prompts: list } = await s.client.listPrompts();

	checkNamed(s.checks, 'prompts', list);
	for (const { name, arguments: known = [] } of list) {
		const args = Object.fromEntries(known.filter((a) => a.required)
			.map((a) => [a.name, '1']));
		const prompt = await s.client.getPrompt({ name, arguments: args });

		s.checks.that(`prompt ${name} says something`,
			prompt.messages[0]?.content.text.length > 100, prompt);
	}
	const filled = await s.client.getPrompt(
		{ name: 'find_errors', arguments: { db: DB } });
	s.checks.that('an argument is filled in',
		filled.messages[0].content.text.includes(DB));
	if (!s.modern)
		await s.client.ping();
}

async function importAndFreeze(s) {
	const file = join(s.scratch, 'shop.pcap');
	const packets = traffic.writeCapture(file);

	await s.refused('import_capture', { files: ['/etc/passwd'] },
		/allow-path|allowed/);
	const imported = await s.tool('import_capture',
		{ files: [file], name: 'shop', wait_ms: 30_000 });
	s.checks.equal('the import is finished', imported.state, 'completed');
	const { captures } = await s.tool('list_captures');
	s.checks.equal('one capture', captures.map((c) => [c.name, c.packets]),
		[['shop', packets]]);
	s.checks.equal('its first packet', Date.parse(captures[0].first),
		traffic.START_MS);
	const made = await s.tool('create_snapshot',
		{ name: 'shop', captures: ['shop'] });
	s.checks.equal('packets of the snapshot', made.snapshot.packets, packets);
	await s.refused('create_snapshot', { name: 'shop' }, /exists|taken/);
	const { snapshots } = await s.tool('list_snapshots');
	s.checks.equal('one snapshot', snapshots.map((x) => x.name), ['shop']);
	await s.tool('get_snapshot', { snapshot: 'shop', verify: true });
}

async function dissect(s) {
	const watched = ['aftertap://databases', `aftertap://${DB}`];
	const updates = [];
	const unwatch = await s.connection.watch(watched,
		(uri) => updates.push(uri));
	const started = await s.tool('start_snapshot_dissection',
		{ snapshot: 'shop', name: 'main' });
	s.checks.equal('the database has an address', started.db, DB);
	const status = await s.tool('get_snapshot_dissection_status',
		{ snapshot: 'shop', name: 'main', wait_ms: 50_000 });
	s.checks.equal('the dissection ends', status.status, 'completed');
	s.checks.equal('what it found', status.stats.protocol_counts,
		{ http: traffic.HTTP_CALLS, dns: traffic.DNS_CALLS });
	const { databases } = await s.tool('list_databases');
	s.checks.equal('one database',
		databases.map((d) => [d.db, d.status, d.entry_count]),
		[[DB, 'completed', traffic.HTTP_CALLS + traffic.DNS_CALLS]]);
	s.checks.that('the watcher is told', await eventually(
		() => watched.every((uri) => updates.includes(uri))), updates);
	await unwatch();
	const { completion } = await s.client.complete({
		ref: { type: 'ref/prompt', name: 'find_errors' },
		argument: { name: 'db', value: 'sh' },
	});
	s.checks.equal('the database completes', completion.values, [DB]);
}

async function pages(s) {
	const seen = [];
	let cursor;

	do {
		const page = await s.tool('list_api_calls', {
			db: DB, filter: 'http', order_by: 'oldest', limit: 30,
			...(cursor && { cursor }),
		});
		s.checks.equal('the total on every page', page.total,
			traffic.HTTP_CALLS);
		seen.push(...page.calls);
		cursor = page.next_cursor;
	} while (cursor && seen.length <= traffic.HTTP_CALLS);
	s.checks.equal('every call once, in order',
		seen.map((call) => [call.path, call.method, call.status]),
		Array.from({ length: traffic.HTTP_CALLS }, (_, n) => {
			const { path, method, status } = traffic.exchange(n);

			return [path, method, status];
		}));
	return seen;
}

async function questions(s) {
	const failed = traffic.countExchanges((x) => x.status >= 500);
	const errors = await s.tool('list_api_calls',
		{ filter: 'http && status_code >= 500' });
	s.checks.equal('failed calls', errors.total, failed);
	const stats = await s.tool('get_api_stats',
		{ filter: 'http', group_by: ['status_code'] });
	s.checks.equal('statistics count all calls', stats.totals.calls,
		traffic.HTTP_CALLS);
	s.checks.equal('a group for each status', stats.groups.length, 3);
	const flows = await s.tool('list_flows', { filter: 'tcp' });
	s.checks.equal('flows', flows.flows.map((f) => [f.client.ip,
		f.server.ip, f.server.port, f.calls]),
		[['10.0.0.1', '10.0.0.2', 8080, traffic.HTTP_CALLS]]);
	const sql = await s.tool('query_sql', {
		sql: 'SELECT status, count(*) FROM api_calls ' +
			'WHERE status >= 500 GROUP BY 1',
	});
	s.checks.equal('SQL agrees', sql.rows, [[500, failed]]);
	const empty = await s.tool('list_api_calls', { filter: 'redis' });
	s.checks.equal('nothing found says what was covered',
		[empty.calls, empty.coverage.state], [[], 'completed']);
	await s.refused('list_api_calls', { filter: 'http && statuscode == 1' },
		/status_code/);
	await s.refused('query_sql', { sql: 'DELETE FROM api_calls' }, /./);
	await s.refused('list_api_calls', { limit: 'many' }, /limit/);
}

async function oneCall(s, { id }) {
	const expected = traffic.exchange(1);
	const { call, evidence } = await s.tool('get_api_call',
		{ id, format: 'raw' });
	s.checks.equal('one call', [call.method, call.path, call.status,
		call.resp_body], [expected.method, expected.path, expected.status,
		expected.body]);
	s.checks.that('the packets it rests on', evidence.request.file,
		evidence);
	const secret = JSON.stringify(await s.call('get_api_call', { id }));
	s.checks.that('secrets are redacted', !secret.includes(traffic.SECRET),
		secret);
	await s.refused('get_api_call', { id, reveal: true }, /reveal/);
	const uri = `aftertap://${DB}/calls/${id}`;
	const read = await s.client.readResource({ uri });
	s.checks.that('the call as a resource',
		read.contents[0].text.includes(expected.path) &&
		!read.contents[0].text.includes(traffic.SECRET), read);
	const body = await s.client.readResource({ uri: `${uri}/response-body` });
	s.checks.equal('its body as a resource', body.contents[0].text,
		expected.body);
}

async function exported(s, { id }) {
	const { path, packets, bytes, state } = await s.tool(
		'export_snapshot_pcap', { snapshot: 'shop', calls: [id] });
	const file = readFileSync(path);

	s.checks.equal('the export is finished', state, 'completed');
	s.checks.equal('the file has its size', file.length, bytes);
	s.checks.equal('the file is a pcapng', file.readUInt32LE(0),
		PCAPNG_MAGIC);
	/* three of the handshake, ten exchanges, three of the end */
	s.checks.equal('the connection and nothing else', packets, 26);
}

async function errors(s) {
	await s.fails('an unknown tool', () => s.call('list_api_call'), -32602);
	await s.fails('an unknown resource', () => s.client.readResource(
		{ uri: `aftertap://${DB}/calls/999999` }),
		s.kind === 'v1' ? -32002 : -32602); /* v2 turns one into the other */
	await s.fails('an unknown prompt', () => s.client.getPrompt(
		{ name: 'nothing' }), -32602);
	await s.fails('a foreign cursor', () => s.client.listTools(
		{ cursor: 'nonsense' }), -32602);
}

/* More endless queries than run at once: only if they end does the last,
 * short one get its turn before the client's patience ends. */
async function cancellation(s) {
	const control = new AbortController();
	const endless = Array.from({ length: 12 }, () => s.call('query_sql',
		{ sql: ENDLESS }, { signal: control.signal }).then(
		() => 'answered', () => 'cancelled'));

	await s.client.listResources(); /* the server still answers */
	control.abort();
	s.checks.that('what is cancelled never comes',
		(await Promise.all(endless)).every((x) => x === 'cancelled'));
	const sql = await s.tool('query_sql', { sql: 'SELECT 1' },
		{ timeout: 20_000 });
	s.checks.equal('the server goes on', sql.rows, [[1]]);
}

/* A dissection that takes long: watched, stopped, deleted. */
async function stopping(s) {
	const file = join(s.scratch, 'many.pcap');
	const reports = [];
	const job = { snapshot: 'many', name: 'slow' };

	traffic.writeCapture(file, MANY_CALLS);
	await s.tool('import_capture', { files: [file], name: 'many' });
	await s.tool('create_snapshot', { name: 'many', captures: ['many'] });
	await s.tool('start_snapshot_dissection', { ...job, cpu_percent: 1 });
	const status = await s.tool('get_snapshot_dissection_status',
		{ ...job, wait_ms: 1000 },
		{ onprogress: (report) => reports.push(report) });
	s.checks.that('it still runs',
		['pending', 'running'].includes(status.status), status);
	s.checks.that('progress is told, upwards', reports.length > 0 &&
		reports.every((report, i) => report.total === 100 &&
			(i === 0 || report.progress > reports[i - 1].progress)),
		reports);
	const stopped = await s.tool('stop_snapshot_dissection', job);
	s.checks.equal('it is stopped', stopped.status, 'cancelled');
	await s.tool('delete_snapshot_dissection', job);
}

async function cleaning(s) {
	await s.tool('delete_snapshot_dissection',
		{ snapshot: 'shop', name: 'main' });
	const { databases } = await s.tool('list_databases');
	s.checks.equal('no database is left', databases, []);
	for (const snapshot of ['shop', 'many'])
		await s.tool('delete_snapshot', { snapshot });
	const { snapshots } = await s.tool('list_snapshots');
	s.checks.equal('no snapshot is left', snapshots, []);
	s.checks.that('the log tells what tools did',
		s.logs.some((log) => JSON.stringify(log).includes('dissection')),
		s.logs);
}

async function main([kind, aftertap, work]) {
	const checks = new Checks();
	const s = new Session(checks, kind, aftertap, work);
	let calls = [];

	await checks.step('connect', () => s.open());
	await checks.step('offers', () => offers(s));
	await checks.step('prompts', () => prompts(s));
	await checks.step('import and freeze', () => importAndFreeze(s));
	await checks.step('dissect', () => dissect(s));
	calls = await checks.step('pages', () => pages(s)) ?? calls;
	await checks.step('questions', () => questions(s));
	await checks.step('one call', () => oneCall(s, calls[1]));
	await checks.step('export', () => exported(s, calls[1]));
	await checks.step('errors', () => errors(s));
	await checks.step('cancellation', () => cancellation(s));
	await checks.step('stopping', () => stopping(s));
	await checks.step('cleaning', () => cleaning(s));
	await checks.step('close', () => s.close());
	checks.exit(kind);
}

await main(process.argv.slice(2));
