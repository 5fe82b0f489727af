// SPDX-License-Identifier: Apache-2.0
/*
 * Reads what the suite found, scenario by scenario: no check may have failed
 * or warned, and none may be skipped but those named here.
 *
 * usage: node verdict.mjs DIRECTORY
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/* What cannot be exercised, and why. */
const SKIPPED = {
	'sep-2575-server-sends-prompts-list-changed-on-subscription':
		'the lists never change, and are declared so',
	'sep-2575-server-sends-tools-list-changed-on-subscription':
		'the lists never change, and are declared so',
	'tasks-status-notifications':
		'the suite has no check yet; tests/unit/mcp/test_tasks.c has',
	'http-custom-header-server-validation':
		'needs a tool with such an argument',
};

const counts = { SUCCESS: 0, INFO: 0, SKIPPED: 0, WARNING: 0, FAILURE: 0 };
let bad = 0;

for (const name of readdirSync(process.argv[2], { recursive: true })) {
	if (!name.endsWith('checks.json'))
		continue;
	for (const check of JSON.parse(readFileSync(join(process.argv[2], name)))) {
		counts[check.status]++;
		if (check.status === 'SUCCESS' || check.status === 'INFO' ||
			(check.status === 'SKIPPED' && SKIPPED[check.id]))
			continue;
		bad++;
		console.log(`${check.status} ${name}: ${check.id}: ` +
			`${check.errorMessage ?? ''}`);
	}
}
console.log(Object.entries(counts).map(([status, n]) => `${n} ${status}`)
	.join(', '));
if (counts.SUCCESS === 0) {
	console.log('nothing was checked');
	bad++;
}
process.exit(bad ? 1 : 0);
