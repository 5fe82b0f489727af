// SPDX-License-Identifier: Apache-2.0
/*
 * A server with one tool made with the official TypeScript SDK (v1), as its
 * documentation does it: JSON answers, a session for each client.
 *
 * usage: node sdk.mjs stdio|http
 */
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StdioServerTransport } from
	'@modelcontextprotocol/sdk/server/stdio.js';
import { StreamableHTTPServerTransport } from
	'@modelcontextprotocol/sdk/server/streamableHttp.js';
import { z } from 'zod';

function echoServer() {
	const server = new McpServer({ name: 'sdk', version: '1' });

	server.registerTool('echo', { description: 'Says it again.',
		inputSchema: { text: z.string() } }, ({ text }) => ({
		content: [{ type: 'text', text }] }));
	return server;
}

const sessions = new Map();

async function transportOf(request) {
	const known = sessions.get(request.headers['mcp-session-id']);

	if (known)
		return known;
	const transport = new StreamableHTTPServerTransport({
		sessionIdGenerator: randomUUID,
		enableJsonResponse: true,
		onsessioninitialized: (id) => sessions.set(id, transport),
	});
	await echoServer().connect(transport);
	return transport;
}

async function serveHttp() {
	const server = createServer(async (request, response) => {
		const transport = await transportOf(request);

		await transport.handleRequest(request, response);
	});

	server.listen(0, '127.0.0.1', () => console.error(
		`url=http://127.0.0.1:${server.address().port}`));
}

if (process.argv[2] === 'http')
	await serveHttp();
else
	await echoServer().connect(new StdioServerTransport());
