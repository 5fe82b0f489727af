// SPDX-License-Identifier: Apache-2.0
/*
 * Stands between a client and a server on stdio and writes down what either
 * says, a JSON text per line: {from, text} for a message, {exit, signal} at
 * the end.
 *
 * usage: node recorder.mjs DIRECTORY COMMAND ARGUMENT…
 */
import { spawn } from 'node:child_process';
import { openSync, writeSync } from 'node:fs';
import { join } from 'node:path';

const [directory, command, ...words] = process.argv.slice(2);
const file = openSync(join(directory,
	`${Date.now()}-${process.pid}.jsonl`), 'wx');
const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'inherit'] });

function write(record) {
	writeSync(file, `${JSON.stringify(record)}\n`);
}

/* Whole lines are written down when their end is seen, as they arrive. */
function record(from) {
	let rest = '';

	return {
		data(chunk) {
			const lines = (rest + chunk).split('\n');

			rest = lines.pop();
			for (const text of lines)
				write({ from, text });
		},
		end() {
			if (rest)
				write({ from, text: rest, unfinished: true });
		},
	};
}

function tee(source, sink, from) {
	const recorded = record(from);
	const decoder = new TextDecoder('utf-8', { fatal: true });

	source.on('data', (chunk) => {
		recorded.data(decoder.decode(chunk, { stream: true }));
		sink.write(chunk);
	});
	source.on('end', () => {
		recorded.end();
		if (sink !== process.stdout)
			sink.end();
	});
	sink.on('error', () => {}); /* its end is told by `exit` */
}

tee(process.stdin, child.stdin, 'client');
tee(child.stdout, process.stdout, 'server');
for (const signal of ['SIGTERM', 'SIGINT'])
	process.on(signal, () => child.kill(signal));
child.on('close', (exit, signal) => {
	write({ exit, signal });
	process.exit(exit ?? 1);
});
