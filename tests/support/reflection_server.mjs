// SPDX-License-Identifier: Apache-2.0
/* reflection_server.mjs MODULES PORT PROTO…: a gRPC server with reflection (v1
 * and v1alpha) of what the files say, whose shop.Cart gives back what it is
 * given, Watch three times. */
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [modules, port, ...protos] = process.argv.slice(2);
const require = createRequire(modules + '/node_modules/x.js');
const load = async (name) =>
	(await import(pathToFileURL(require.resolve(name)))).default;

const grpc = await load('@grpc/grpc-js');
const loader = await load('@grpc/proto-loader');
const { ReflectionService } = await load('@grpc/reflection');

const same = (bytes) => bytes;
const method = (name, responseStream) => ({
	path: `/shop.Cart/${name}`, requestStream: false, responseStream,
	requestSerialize: same, requestDeserialize: same,
	responseSerialize: same, responseDeserialize: same,
});
const server = new grpc.Server({ 'grpc.default_compression_algorithm': 2 });

server.addService({ Add: method('Add', false), Watch: method('Watch', true) }, {
	Add: (call, done) => done(null, call.request),
	Watch: (call) => {
		for (let i = 0; i < 3; i++)
			call.write(call.request);
		call.end();
	},
});
new ReflectionService(loader.loadSync(protos)).addToServer(server);
server.bindAsync(`127.0.0.1:${port}`,
		 grpc.ServerCredentials.createInsecure(), (error) => {
	if (error)
		throw error;
});
