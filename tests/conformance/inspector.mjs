// SPDX-License-Identifier: Apache-2.0
/*
 * MCP Inspector's command line asks aftertap serve, in each era it can speak.
 *
 * usage: node inspector.mjs AFTERTAP WORK_DIR
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

import { Checks } from './checks.mjs';
import { prepare } from './prepare.mjs';
import * as traffic from './traffic.mjs';

const LAUNCHER = 'node_modules/@modelcontextprotocol/inspector/clients/' +
	'launcher/build/index.js';
const TIMEOUT_MS = 60_000;
const TOOL_FAILED = 5; /* its exit status */

const [aftertap, work] = process.argv.slice(2);
const scratch = join(work, 'scratch', 'inspector');
const home = join(scratch, 'home');
const checks = new Checks();

/* {status, result, stderr} of one run of the Inspector. */
function inspect(era, method, ...options) {
	const done = spawnSync(process.execPath, [join(work, LAUNCHER), '--cli',
		'--protocol-era', era, '--format', 'json', '--method', method,
		...options, '--', process.execPath, join(work, 'recorder.mjs'),
		join(work, 'wire'), aftertap, '--home', home, 'serve'], {
		encoding: 'utf8',
		timeout: TIMEOUT_MS,
		env: { PATH: process.env.PATH, HOME: scratch,
			MCP_INSPECTOR_SECRET_STORE: 'memory' },
	});
	let result;

	try {
		result = JSON.parse(done.stdout).result;
	} catch {
		result = undefined;
	}
	return { status: done.status, result, stderr: done.stderr };
}

function succeeds(era, method, ...options) {
	const done = inspect(era, method, ...options);

	checks.that(`${era}: ${method} ${options.join(' ')} is understood`,
		done.status === 0 && done.result, done);
	return done.result ?? {};
}

function checkLists(era) {
	const { tools = [] } = succeeds(era, 'tools/list', '--strict');
	const { prompts = [] } = succeeds(era, 'prompts/list');
	const { resources = [] } = succeeds(era, 'resources/list');
	const { resourceTemplates = [] } = succeeds(era,
		'resources/templates/list');

	for (const [what, list] of Object.entries(
		{ tools, prompts, resources, resourceTemplates }))
		checks.that(`${era}: ${what} are listed`, list.length > 3, list);
}

function checkCalls(era) {
	const { structuredContent: calls } = succeeds(era, 'tools/call',
		'--tool-name', 'list_api_calls',
		'--tool-args-json', '{"filter":"http","limit":1}');
	const refused = inspect(era, 'tools/call', '--tool-name',
		'list_api_calls', '--tool-args-json', '{"filter":"htpp"}');
	const { contents } = succeeds(era, 'resources/read',
		'--uri', 'aftertap://databases');
	const { messages } = succeeds(era, 'prompts/get', '--prompt-name',
		'find_errors', '--prompt-args', 'db=shop/main');

	checks.equal(`${era}: calls are counted`, calls?.total,
		traffic.HTTP_CALLS);
	checks.equal(`${era}: a tool's error is told`, refused.status,
		TOOL_FAILED);
	checks.that(`${era}: a resource is read`,
		contents?.[0].text.includes('shop/main'), contents);
	checks.that(`${era}: a prompt is filled in`,
		messages?.[0].content.text.includes('shop/main'), messages);
}

prepare(aftertap, scratch);
for (const era of ['legacy', 'auto', 'modern']) {
	checkLists(era);
	checkCalls(era);
}
checks.exit('inspector');
