// SPDX-License-Identifier: Apache-2.0
// cql_calls.mjs PORT: the driver of npm, asking what test_cql_truth.py knows the
// answers to.  Prints what it was told, as JSON.
import cassandra from 'cassandra-driver';

const client = new cassandra.Client({
	contactPoints: [`127.0.0.1:${process.argv[2]}`],
	localDataCenter: 'dc1',
	authProvider: new cassandra.auth.PlainTextAuthProvider('alice',
		'right-password'),
	policies: { retry: new cassandra.policies.retry.FallthroughRetryPolicy() },
	pooling: { heartBeatInterval: 0 },
	isMetadataSyncEnabled: false,
});
const told = { found: [], errors: [] };
const plain = row => ({
	id: row.id, name: row.name, score: row.score, tags: row.tags,
	counts: row.counts && Object.entries(row.counts),
	uid: row.uid.toString(),
});

await client.connect();
for (let i = 0; i < 60; i++) {
	const found = await client.execute(
		'SELECT * FROM shop.items WHERE id = ?', [i], { prepare: true });
	told.found.push([found.rowLength, plain(found.rows[0])]);
}
for (const table of ['missing', 'slow', 'down']) {
	try {
		await client.execute(`SELECT * FROM shop.${table}`);
	} catch (error) {
		told.errors.push(error.code);
	}
}
await client.shutdown();
console.log(JSON.stringify(told));
