// SPDX-License-Identifier: Apache-2.0
/*
 * The floor: what Node needs for one JSON-RPC call over HTTP or stdio when
 * nothing but that is done.  No SDK, no sessions, no checks.
 *
 * usage: node floor.mjs stdio|http
 */
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

function result({ method, params }) {
	if (method === 'initialize')
		return { protocolVersion: '2025-11-25', capabilities: { tools: {} },
			serverInfo: { name: 'floor', version: '1' } };
	return { content: [{ type: 'text', text: params?.arguments?.text }] };
}

const answer = (message) => JSON.stringify({ jsonrpc: '2.0', id: message.id,
	result: result(message) });

function serveHttp() {
	const server = createServer((request, response) => {
		const chunks = [];

		request.on('data', (chunk) => chunks.push(chunk));
		request.on('end', () => {
			const body = answer(JSON.parse(Buffer.concat(chunks)));

			response.writeHead(200, {
				'Content-Type': 'application/json',
				'Content-Length': Buffer.byteLength(body),
			});
			response.end(body);
		});
	});

	server.listen(0, '127.0.0.1', () => console.error(
		`url=http://127.0.0.1:${server.address().port}`));
}

if (process.argv[2] === 'http')
	serveHttp();
else
	createInterface({ input: process.stdin }).on('line', (line) => {
		const message = JSON.parse(line);

		if (message.id !== undefined)
			process.stdout.write(`${answer(message)}\n`);
	});
