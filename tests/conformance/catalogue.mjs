// SPDX-License-Identifier: Apache-2.0
/* What every client relies on in the lists of a server: sizes, names,
 * descriptions, annotations and schemas that are portable. */
import { Ajv2020 } from 'ajv/dist/2020.js';

const TOOLS_BYTES = 24 * 1024;
const INSTRUCTIONS_BYTES = 2 * 1024;
const TOOL_NAME = /^[a-z0-9_]{1,64}$/;
const HINTS = ['readOnlyHint', 'destructiveHint', 'idempotentHint',
	'openWorldHint'];

/* The tools an agent is promised. */
const TOOLS = ['create_snapshot', 'delete_snapshot',
	'delete_snapshot_dissection', 'export_snapshot_pcap', 'get_api_call',
	'get_api_stats', 'get_capture_status', 'get_snapshot', 'get_snapshot_dissection_status',
	'import_capture', 'list_api_calls', 'list_captures', 'list_databases',
	'list_flows', 'list_snapshots', 'list_workloads', 'query_sql',
	'start_capture', 'start_snapshot_dissection', 'stop_capture',
	'stop_snapshot_dissection'];

const READERS = /^(get|list|query)_/;

function bytesOf(value) {
	return Buffer.byteLength(typeof value === 'string' ? value :
		JSON.stringify(value));
}

/* Schemas with a typo in a keyword do not compile: strict. */
export function compileSchema(schema) {
	return new Ajv2020({ strict: true }).compile(schema);
}

function checkTool(checks, tool) {
	const { name, inputSchema, outputSchema, annotations = {} } = tool;
	const compiles = (schema) => {
		compileSchema(schema);
		return true;
	};

	checks.that(`${name}: a name that every host takes`,
		TOOL_NAME.test(name));
	checks.that(`${name}: a description and a title`,
		tool.description && tool.title);
	checks.equal(`${name}: input is an object`, inputSchema.type, 'object');
	checks.that(`${name}: no alternatives at the root`,
		!inputSchema.oneOf && !inputSchema.anyOf && !inputSchema.allOf);
	checks.equal(`${name}: output is an object`, outputSchema?.type,
		'object');
	checks.that(`${name}: strict schemas`,
		compiles(inputSchema) && compiles(outputSchema));
	checks.that(`${name}: all annotations`, annotations.title &&
		HINTS.every((hint) => typeof annotations[hint] === 'boolean'),
		annotations);
	checks.equal(`${name}: read only by its annotation`,
		annotations.readOnlyHint, READERS.test(name));
	checks.that(`${name}: destructive only if it deletes`,
		!annotations.destructiveHint || /^(delete|stop)_/.test(name));
}

export function checkTools(checks, tools) {
	const names = new Set(tools.map((tool) => tool.name));

	checks.that('tools/list is small', bytesOf({ tools }) < TOOLS_BYTES,
		bytesOf({ tools }));
	checks.equal('names are unique', names.size, tools.length);
	for (const name of TOOLS)
		checks.that(`${name} is offered`, names.has(name));
	for (const tool of tools)
		checkTool(checks, tool);
}

export function checkInstructions(checks, text) {
	checks.that('instructions are short',
		text && bytesOf(text) < INSTRUCTIONS_BYTES, bytesOf(text ?? ''));
	checks.that('instructions name the way', TOOLS.filter(
		(name) => text?.includes(name)).length > 5, text);
}

/* Resources, templates and prompts alike. */
export function checkNamed(checks, what, list) {
	checks.that(`${what} are offered`, list.length > 0);
	for (const item of list)
		checks.that(`${what}: ${item.name} has a description and a title`,
			item.name && item.description && item.title, item);
}
