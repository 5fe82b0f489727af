// SPDX-License-Identifier: Apache-2.0
// What Node costs without an SDK: parse, answer.  usage: http_floor.mjs PORT
import http from "node:http";

http.createServer((request, response) => {
	let body = "";
	request.on("data", (data) => (body += data));
	request.on("end", () => {
		const message = JSON.parse(body);
		const text = JSON.stringify({
			jsonrpc: "2.0",
			id: message.id,
			result: { content: [{ type: "text",
				text: message.params.arguments.text }] },
		});
		response.writeHead(200, { "content-type": "application/json",
			"content-length": Buffer.byteLength(text) });
		response.end(text);
	});
}).listen(Number(process.argv[2]), "127.0.0.1");
