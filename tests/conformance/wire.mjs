// SPDX-License-Identifier: Apache-2.0
/*
 * Holds recorded conversations (recorder.mjs) against the protocol's schemas:
 * each response as the result of its request's method, each notification by
 * its method, each in the revision it was said in.
 *
 * usage: node wire.mjs DIRECTORY
 */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';

import { Checks } from './checks.mjs';

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
const NEWEST_LEGACY = '2025-11-25';
const MODERN = '2026-07-28';

const RESULTS = {
	'initialize': 'InitializeResult',
	'ping': 'EmptyResult',
	'server/discover': 'DiscoverResult',
	'logging/setLevel': 'EmptyResult',
	'tools/list': 'ListToolsResult',
	'tools/call': 'CallToolResult',
	'resources/list': 'ListResourcesResult',
	'resources/templates/list': 'ListResourceTemplatesResult',
	'resources/read': 'ReadResourceResult',
	'resources/subscribe': 'EmptyResult',
	'resources/unsubscribe': 'EmptyResult',
	'prompts/list': 'ListPromptsResult',
	'prompts/get': 'GetPromptResult',
	'completion/complete': 'CompleteResult',
	'subscriptions/listen': 'SubscriptionsListenResult',
};

const NOTIFICATIONS = {
	'notifications/message': 'LoggingMessageNotification',
	'notifications/progress': 'ProgressNotification',
	'notifications/cancelled': 'CancelledNotification',
	'notifications/resources/updated': 'ResourceUpdatedNotification',
	'notifications/subscriptions/acknowledged':
		'SubscriptionsAcknowledgedNotification',
};

/* A validator per revision and definition, compiled when first asked for. */
class Schemas {
	constructor() {
		this.revisions = new Map();
	}

	/* Later revisions of the handshake only added members, so that the
	 * newest one's schema holds for all. */
	revision(spoken) {
		const version = spoken < NEWEST_LEGACY ? NEWEST_LEGACY : spoken;

		if (!this.revisions.has(version)) {
			const ajv = new Ajv2020({ strict: false, allErrors: true,
				validateFormats: false });
			const path = new URL(`schema/${version}.json`, import.meta.url);

			ajv.addSchema(JSON.parse(readFileSync(path)), 'schema');
			this.revisions.set(version, ajv);
		}
		return this.revisions.get(version);
	}

	/* What is wrong with `value`, or "" */
	problem(version, name, value) {
		const ajv = this.revision(version);
		const validate = ajv.getSchema(`schema#/$defs/${name}`);

		if (!validate)
			return `${version} has no ${name}`;
		return validate(value) ? '' : ajv.errorsText(validate.errors);
	}
}

/* One conversation, from the first message to the exit. */
class Conversation {
	constructor(checks, schemas, file) {
		Object.assign(this, { checks, schemas, file });
		this.asked = new Map(); /* by id: {method, version} */
		this.cancelled = new Set();
		this.version = undefined; /* what a handshake agreed on */
		this.counts = {};
	}

	that(what, truth, detail) {
		return this.checks.that(`${this.file}: ${what}`, truth, detail);
	}

	hear(text) {
		const message = JSON.parse(text);
		const claimed = message.params?._meta?.[VERSION_KEY];

		if (message.method === 'notifications/cancelled')
			this.cancelled.add(message.params.requestId);
		if (claimed)
			this.modern = claimed;
		if (message.id !== undefined && message.method)
			this.asked.set(message.id,
				{ method: message.method, version: claimed });
	}

	say(record) {
		let message;

		this.that('whole lines', !record.unfinished, record.text);
		try {
			message = JSON.parse(record.text);
		} catch {
			this.that('nothing but messages on stdout', false, record.text);
			return;
		}
		if (message.method)
			this.notified(message);
		else
			this.answered(message);
	}

	holds(version, name, value, what) {
		const problem = this.schemas.problem(version, name, value);

		this.counts[version] = (this.counts[version] ?? 0) + 1;
		this.that(`${what} is a ${name} of ${version}`, !problem,
			`${problem} in ${JSON.stringify(value)}`);
	}

	notified(message) {
		const name = NOTIFICATIONS[message.method];

		this.that('the server asks nothing', message.id === undefined,
			message);
		if (this.that('a known notification', name, message))
			this.holds(this.version ?? this.modern, name, message,
				message.method);
	}

	answered(message) {
		const asked = this.asked.get(message.id);

		if (!this.that('an answer to what was asked, once', asked, message))
			return;
		this.asked.delete(message.id);
		this.that('no answer after a cancellation',
			asked.method === 'subscriptions/listen' ||
			!this.cancelled.has(message.id), message);
		if (asked.method === 'initialize' && message.result)
			this.version = message.result.protocolVersion;
		const version = asked.version ?? this.version;
		if (message.error) {
			this.holds(version, 'JSONRPCErrorResponse', message,
				`the error of ${asked.method}`);
			this.refused(asked.method, version, message.error);
			return;
		}
		this.holds(version, 'JSONRPCResultResponse', message, asked.method);
		this.holds(version, RESULTS[asked.method], message.result,
			`the result of ${asked.method}`);
	}

	/* The code for what is not there differs by era. */
	refused(method, version, error) {
		if (method === 'resources/read' && error.data?.uri)
			this.that('not found by its code',
				error.code === (version >= MODERN ? -32602 : -32002),
				error);
	}

	end(record) {
		const open = [...this.asked.keys()].filter(
			(id) => !this.cancelled.has(id));

		this.that('exit 0 at the end of input', record?.exit === 0, record);
		this.that('everything answered', open.length === 0,
			open.map((id) => [id, this.asked.get(id)]));
	}
}

function checkRecording(checks, schemas, directory, file) {
	const conversation = new Conversation(checks, schemas, file);
	const records = readFileSync(join(directory, file), 'utf8')
		.split('\n').filter(Boolean).map((line) => JSON.parse(line));

	for (const record of records) {
		if (record.from === 'client')
			conversation.hear(record.text);
		else if (record.from === 'server')
			conversation.say(record);
	}
	conversation.end(records.at(-1));
	return conversation.counts;
}

const checks = new Checks();
const schemas = new Schemas();
const totals = {};
const [directory] = process.argv.slice(2);
const files = readdirSync(directory).filter((f) => f.endsWith('.jsonl'));

for (const file of files.sort()) {
	const counts = checkRecording(checks, schemas, directory, file);

	for (const [version, count] of Object.entries(counts))
		totals[version] = (totals[version] ?? 0) + count;
}
checks.that('both eras were spoken', totals[NEWEST_LEGACY] && totals[MODERN],
	totals);
console.log(`${files.length} conversations; validated:`, totals);
checks.exit('wire');
