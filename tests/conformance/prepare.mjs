// SPDX-License-Identifier: Apache-2.0
/* A home with one dissected capture, for clients that only ask. */
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import * as traffic from './traffic.mjs';

/* Makes `scratch`/home with the database shop/main, and shop.pcap beside. */
export function prepare(aftertap, scratch) {
	const file = join(scratch, 'shop.pcap');
	const run = (...words) => execFileSync(aftertap, ['--home',
		join(scratch, 'home'), '--quiet', ...words], { stdio: 'ignore' });

	mkdirSync(scratch, { recursive: true });
	traffic.writeCapture(file);
	run('import', '--name', 'shop', file);
	run('snapshots', 'create', 'shop', '--captures', 'shop');
	run('dissect', 'shop', '--name', 'main');
}
