// SPDX-License-Identifier: Apache-2.0
/*
 * A client that knows one older revision only: the lists and calls of tools
 * have what that revision has, and nothing newer.
 *
 * usage: node revisions.mjs AFTERTAP WORK_DIR
 */
import { Checks } from './checks.mjs';
import { Session } from './session.mjs';

/* When what came in. */
const STRUCTURED = '2025-06-18';
const ANNOTATIONS = '2025-03-26';

async function speak(checks, version, aftertap, work) {
	const s = await new Session(checks, version, aftertap, work).open();
	const { tools } = await s.client.listTools();
	const result = await s.call('list_databases');
	const all = (truth, what) => checks.that(`${version}: ${what}`,
		tools.length > 0 && tools.every(truth), tools[0]);

	all((tool) => !!tool.outputSchema === version >= STRUCTURED,
		'output schemas since they exist');
	all((tool) => !!tool.title === version >= STRUCTURED,
		'titles since they exist');
	all((tool) => !!tool.annotations === version >= ANNOTATIONS,
		'annotations since they exist');
	checks.equal(`${version}: structured content since it exists`,
		!!result.structuredContent, version >= STRUCTURED);
	checks.that(`${version}: a text in any case`,
		result.content[0].text.length > 0, result);
	checks.equal(`${version}: completion since it is a capability`,
		!!s.client.getServerCapabilities().completions,
		version >= ANNOTATIONS);
	await s.close();
}

const checks = new Checks();
const [aftertap, work] = process.argv.slice(2);

for (const version of ['2024-11-05', '2025-03-26', '2025-06-18'])
	await checks.step(version, () => speak(checks, version, aftertap, work));
checks.exit('older revisions');
