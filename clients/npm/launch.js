#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
/*
 * Runs the program that lies beside this file.  It becomes that program where
 * Node can do so (22.15); elsewhere it stands by, hands signals on, and ends as
 * the program ended.
 */
'use strict';

const { spawn } = require('node:child_process');
const { constants } = require('node:os');
const { join } = require('node:path');

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'];
const program = join(__dirname, 'programs', 'aftertap');
const words = process.argv.slice(2);

function fail(error) {
	console.error(`aftertap: cannot run ${program}: ${error.message}`);
	process.exit(1);
}

/* False where Node cannot. */
function become() {
	if (typeof process.execve !== 'function')
		return false;
	process.removeAllListeners('warning'); /* that it is experimental */
	try {
		process.execve(program, [program, ...words], process.env);
	} catch {
		return false;
	}
	return true;
}

function standBy() {
	const child = spawn(program, words, { stdio: 'inherit' });

	child.on('error', fail);
	for (const signal of SIGNALS)
		process.on(signal, () => child.kill(signal));
	child.on('exit', (code, signal) => process.exit(
		signal ? 128 + constants.signals[signal] : code));
}

if (!become())
	standBy();
