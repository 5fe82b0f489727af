// SPDX-License-Identifier: Apache-2.0
/*
 * A capture whose every call is known beforehand: HTTP exchanges on kept-alive
 * connections and DNS queries, written as a plain pcap.
 */
import { writeFileSync } from 'node:fs';

export const START_MS = 1_700_000_000_000;
export const HTTP_CALLS = 200;
export const DNS_CALLS = 20;
export const SECRET = 'topsecret-0123456789';

const PER_CONNECTION = 10;
const CALL_MS = 50; /* one request every so often */
const CLIENT = [10, 0, 0, 1];
const SERVER = [10, 0, 0, 2];
const RESOLVER = [10, 0, 0, 53];

const SYN = 0x02, ACK = 0x10, PSH = 0x08, FIN = 0x01;
const REASONS = { 200: 'OK', 404: 'Not Found', 500: 'Internal Server Error' };

/* What the n-th exchange says; the tests count with it, too. */
export function exchange(n) {
	const status = n % 10 === 9 ? 500 : n % 10 === 4 ? 404 : 200;
	return {
		status,
		method: n % 5 === 1 ? 'POST' : 'GET',
		path: `/items/${n}`,
		body: JSON.stringify({ item: n, status }),
	};
}

export function countExchanges(wanted) {
	let count = 0;
	for (let n = 0; n < HTTP_CALLS; n++)
		count += wanted(exchange(n)) ? 1 : 0;
	return count;
}

function requestText({ method, path }) {
	const body = method === 'POST' ? '{"new":true}' : '';
	const lines = [
		`${method} ${path} HTTP/1.1`,
		'Host: shop.test',
		`Authorization: Bearer ${SECRET}`,
	];
	if (body)
		lines.push('Content-Type: application/json',
			`Content-Length: ${body.length}`);
	return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

function responseText({ status, body }) {
	return [
		`HTTP/1.1 ${status} ${REASONS[status]}`,
		'Content-Type: application/json',
		`Content-Length: ${body.length}`,
		'', body,
	].join('\r\n');
}

function ipv4(protocol, source, destination, payload) {
	const header = Buffer.alloc(20);
	let sum = 0;

	header.writeUInt16BE(0x4500, 0);
	header.writeUInt16BE(20 + payload.length, 2);
	header.writeUInt16BE(0x4000, 6);
	header.writeUInt16BE(64 << 8 | protocol, 8);
	header.set(source, 12);
	header.set(destination, 16);
	for (let i = 0; i < 20; i += 2)
		sum += header.readUInt16BE(i);
	sum = (sum & 0xffff) + (sum >> 16);
	header.writeUInt16BE(~(sum + (sum >> 16)) & 0xffff, 10);
	const ethernet = Buffer.alloc(14);
	ethernet.writeUInt16BE(0x0800, 12);
	return Buffer.concat([ethernet, header, payload]);
}

function udp(source, destination, ports, payload) {
	const header = Buffer.alloc(8); /* checksum 0: none */

	header.writeUInt16BE(ports[0], 0);
	header.writeUInt16BE(ports[1], 2);
	header.writeUInt16BE(8 + payload.length, 4);
	return ipv4(17, source, destination, Buffer.concat([header, payload]));
}

/* One TCP connection; sequence numbers are kept for both sides. */
class Connection {
	constructor(packets, port) {
		this.packets = packets;
		this.sides = [
			{ address: CLIENT, port, seq: 1000 },
			{ address: SERVER, port: 8080, seq: 5000 },
		];
	}

	send(ms, from, flags, text = '') {
		const source = this.sides[from];
		const other = this.sides[1 - from];
		const payload = Buffer.from(text);
		const header = Buffer.alloc(20);

		header.writeUInt16BE(source.port, 0);
		header.writeUInt16BE(other.port, 2);
		header.writeUInt32BE(source.seq, 4);
		header.writeUInt32BE(flags & ACK ? other.seq : 0, 8);
		header.writeUInt16BE(5 << 12 | flags, 12);
		header.writeUInt16BE(65535, 14);
		source.seq += payload.length + (flags & (SYN | FIN) ? 1 : 0);
		this.packets.push([ms, ipv4(6, source.address, other.address,
			Buffer.concat([header, payload]))]);
	}

	open(ms) {
		this.send(ms, 0, SYN);
		this.send(ms, 1, SYN | ACK);
		this.send(ms, 0, ACK);
	}

	close(ms) {
		this.send(ms, 0, FIN | ACK);
		this.send(ms, 1, FIN | ACK);
		this.send(ms, 0, ACK);
	}
}

function addHttp(packets, calls) {
	let connection;

	for (let n = 0; n < calls; n++) {
		const ms = n * CALL_MS;
		const said = exchange(n);

		if (n % PER_CONNECTION === 0) {
			connection = new Connection(packets,
				10000 + n / PER_CONNECTION);
			connection.open(ms);
		}
		connection.send(ms + 1, 0, PSH | ACK, requestText(said));
		connection.send(ms + 3 + n % 20, 1, PSH | ACK,
			responseText(said));
		if (n % PER_CONNECTION === PER_CONNECTION - 1)
			connection.close(ms + 30);
	}
}

/* RFC 1035: a question for an A record, and its answer. */
function dnsMessage(id, name, address) {
	const header = Buffer.alloc(12);
	const labels = name.split('.').map((label) =>
		Buffer.concat([Buffer.from([label.length]), Buffer.from(label)]));
	const question = Buffer.concat([...labels, Buffer.from([0, 0, 1, 0, 1])]);

	header.writeUInt16BE(id, 0);
	header.writeUInt16BE(address ? 0x8180 : 0x0100, 2);
	header.writeUInt16BE(1, 4);
	header.writeUInt16BE(address ? 1 : 0, 6);
	return Buffer.concat(address ? [header, question, Buffer.from([
		0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...address])] :
		[header, question]);
}

function addDns(packets) {
	for (let n = 0; n < DNS_CALLS; n++) {
		const ms = n * CALL_MS + 10;
		const name = n === 0 ? 'shop.test' : `host${n}.test`;
		const address = n === 0 ? SERVER : [10, 0, 1, n];

		packets.push([ms, udp(CLIENT, RESOLVER, [50000 + n, 53],
			dnsMessage(n + 1, name))]);
		packets.push([ms + 2, udp(RESOLVER, CLIENT, [53, 50000 + n],
			dnsMessage(n + 1, name, address))]);
	}
}

/* Returns how many packets were written. */
export function writeCapture(path, httpCalls = HTTP_CALLS) {
	const packets = [];

	addHttp(packets, httpCalls);
	addDns(packets);
	packets.sort((a, b) => a[0] - b[0]);
	const header = Buffer.alloc(24);
	header.writeUInt32LE(0xa1b2c3d4, 0);
	header.writeUInt16LE(2, 4);
	header.writeUInt16LE(4, 6);
	header.writeUInt32LE(65535, 16);
	header.writeUInt32LE(1, 20); /* LINKTYPE_ETHERNET */
	writeFileSync(path, Buffer.concat([header,
		...packets.flatMap(([ms, frame]) => {
			const record = Buffer.alloc(16);
			const at = START_MS + ms;

			record.writeUInt32LE(Math.floor(at / 1000), 0);
			record.writeUInt32LE(at % 1000 * 1000, 4);
			record.writeUInt32LE(frame.length, 8);
			record.writeUInt32LE(frame.length, 12);
			return [record, frame];
		})]));
	return packets.length;
}
