// SPDX-License-Identifier: Apache-2.0
/* A client's conversation with aftertap serve, with what must hold for every
 * call of a tool. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

import { compileSchema } from './catalogue.mjs';
import { KINDS, connect } from './clients.mjs';

const PATIENCE_MS = 30_000;

/* Resolves once `holds()`; false when it never does. */
export async function eventually(holds) {
	const end = Date.now() + PATIENCE_MS;

	while (!holds()) {
		if (Date.now() > end)
			return false;
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
	return true;
}

export class Session {
	/* `work` has recorder.mjs and the folders wire/ and scratch/. */
	constructor(checks, kind, aftertap, work) {
		Object.assign(this, { checks, kind, aftertap, work });
		this.version = KINDS[kind].version;
		this.modern = this.version >= '2026';
		this.scratch = join(work, 'scratch', kind);
		this.home = join(this.scratch, 'home');
		this.logs = [];
		this.outputs = new Map(); /* validators of structuredContent */
		mkdirSync(this.scratch, { recursive: true });
	}

	async open() {
		const server = {
			command: process.execPath,
			args: [join(this.work, 'recorder.mjs'),
				join(this.work, 'wire'), this.aftertap,
				'--home', this.home, 'serve',
				'--allow-path', this.scratch],
			env: { PATH: process.env.PATH, HOME: this.scratch },
			stderr: 'inherit',
		};

		this.connection = await connect(this.kind, server,
			(message) => this.logs.push(message));
		this.client = this.connection.client;
		this.checks.equal('the revision agreed on',
			this.connection.version, this.version);
		return this;
	}

	learn(tools) {
		for (const tool of tools)
			this.outputs.set(tool.name, compileSchema(tool.outputSchema));
	}

	call(name, args = {}, options = undefined) {
		return this.connection.call({ name, arguments: args }, options);
	}

	/* A call that must succeed: its structured content. */
	async tool(name, args = {}, options = undefined) {
		const result = await this.call(name, args, options);
		const validate = this.outputs.get(name);
		const content = result.structuredContent;
		const what = `${name} ${JSON.stringify(args)}`;

		if (result.isError)
			throw new Error(`${what}: ${result.content[0]?.text}`);
		this.checks.that(`${what} is what its outputSchema says`,
			validate(content), validate.errors);
		this.checks.that(`${what} has a text that stands alone`,
			result.content[0]?.type === 'text' &&
			result.content[0].text.length > 0, result.content);
		return content;
	}

	/* A call that must fail by a result: the text the model reads. */
	async refused(name, args, pattern) {
		const result = await this.call(name, args);
		const text = result.content?.[0]?.text ?? '';

		this.checks.that(`${name} ${JSON.stringify(args)} is refused`,
			result.isError === true && pattern.test(text), result);
	}

	/* A request that must fail by a JSON-RPC error. */
	async fails(what, request, code) {
		try {
			const result = await request();

			this.checks.that(`${what} fails`, false, result);
		} catch (error) {
			this.checks.equal(`${what} fails`, error.code, code);
		}
	}

	close() {
		return this.client.close();
	}
}
