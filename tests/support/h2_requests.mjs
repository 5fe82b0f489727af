// SPDX-License-Identifier: Apache-2.0
// h2_requests.mjs PORT [COUNT]: requests over a few HTTP/2 connections, several
// at a time, each with an x-id of its own; some are cancelled never, none is
// pushed.  Prints how many were answered.
import http2 from 'node:http2';

const port = process.argv[2];
const count = Number(process.argv[3] ?? 1500);
const paths = n => [`/echo/${n}`, `/f${n % 12}.txt`, `/boom/${n}?q=${n}`,
	`/missing/${n}`][n % 4];
let next = 0;
let answered = 0;

async function connection(name) {
	const session = http2.connect(`http://127.0.0.1:${port}`);
	session.on('error', () => {});
	const worker = async () => {
		while (next < count) {
			const n = next++;
			if (session.closed || session.destroyed)
				return;
			await new Promise(done => {
				const stream = session.request({
					':path': paths(n), 'x-id': `${name}-${n}`,
					'user-agent': 'h2_requests',
				});
				stream.on('response', () => answered++);
				stream.on('error', () => {});
				stream.on('close', done);
				stream.resume();
				stream.end();
			});
		}
	};
	await Promise.all(Array.from({ length: 6 }, worker));
	session.close();
}

while (next < count)
	await Promise.all(['a', 'b', 'c'].map(connection));
console.log(answered);
