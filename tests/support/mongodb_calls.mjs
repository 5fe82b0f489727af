// SPDX-License-Identifier: Apache-2.0
// mongodb_calls.mjs PORT: the driver of npm, asking what test_mongodb_truth.py
// knows the answers to.  Prints what it was told, as JSON.
import { MongoClient } from 'mongodb';

const client = new MongoClient(`mongodb://127.0.0.1:${process.argv[2]}/`,
	{ compressors: ['zlib'], heartbeatFrequencyMS: 500, appName: 'calls' });
const told = { found: [], errors: [] };

await client.connect();
const items = client.db('shop').collection('node');
for (let i = 0; i < 100; i++) {
	await items.insertOne({ _id: i, text: `inserted ${i}` });
	const found = await items.find({ start: i, count: 1 }).toArray();
	told.found.push([i, found[0]._id, found[0].text]);
}
told.all = (await items.find({ start: 1000, count: 45 }).toArray())
	.map(item => item._id);
await Promise.all([...Array(30).keys()].map(i =>
	items.updateOne({ _id: i }, { $set: { text: 'é' + i } })));
for (const action of [
	() => items.insertOne({ _id: -1 }),
	() => client.db('shop').command({ noSuchCommand: 1 })]) {
	try {
		await action();
	} catch (error) {
		told.errors.push([error.code, error.errmsg ?? error.message]);
	}
}
await new Promise(done => setTimeout(done, 700));
await client.close();
console.log(JSON.stringify(told));
