// SPDX-License-Identifier: Apache-2.0
/* Collects what is wrong, so that one run shows all of it. */
import { isDeepStrictEqual } from 'node:util';

export class Checks {
	constructor() {
		this.done = 0;
		this.failed = 0;
	}

	that(what, truth, detail = '') {
		this.done++;
		if (truth)
			return true;
		this.failed++;
		const text = typeof detail === 'string' ? detail :
			JSON.stringify(detail);
		console.log(`FAIL ${what} ${(text ?? '').slice(0, 2000)}`);
		return false;
	}

	equal(what, got, expected) {
		return this.that(what, isDeepStrictEqual(got, expected),
			`got ${JSON.stringify(got)}, ` +
			`expected ${JSON.stringify(expected)}`);
	}

	/* Runs a step; what it throws is a failure, the next step goes on. */
	async step(what, run) {
		try {
			return await run();
		} catch (error) {
			this.that(what, false, error.stack ?? String(error));
			return undefined;
		}
	}

	/* Prints the sum and ends the process. */
	exit(what) {
		console.log(`${what}: ${this.done - this.failed} of ${this.done} ` +
			'checks passed');
		process.exit(this.failed ? 1 : 0);
	}
}
