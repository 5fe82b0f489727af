-- SPDX-License-Identifier: Apache-2.0
-- The public schema, readable by any SQLite program.  Columns: docs/store.md.

CREATE VIEW api_calls AS SELECT
	c.id,
	strftime('%Y-%m-%dT%H:%M:%f', c.ts / 1000000000.0, 'unixepoch') || 'Z'
		AS time,
	c.ts,
	(SELECT name FROM protocols WHERE id = c.protocol) AS protocol,
	(SELECT text FROM strings WHERE id = c.method) AS method,
	(SELECT text FROM strings WHERE id = c.host) AS host,
	(SELECT text FROM strings WHERE id = c.path) AS path,
	c.query,
	c.status,
	(SELECT text FROM strings WHERE id = c.status_text) AS status_text,
	c.elapsed / 1e6 AS latency_ms,
	(c.elapsed - c.request_time - c.response_time) / 1e6 AS wait_ms,
	c.flags & 4 != 0 AS is_error,
	(SELECT text FROM strings WHERE id = c.error) AS error,
	(SELECT ip FROM addresses WHERE id = c.client) AS src_ip,
	c.client_port AS src_port,
	coalesce((SELECT nullif(pod, '') FROM procs WHERE id = (SELECT n.process_c FROM conns n WHERE n.id = c.conn)),
		(SELECT nullif(name, '') FROM addresses WHERE id = c.client),
		(SELECT name FROM procs WHERE id = (SELECT n.process_c FROM conns n WHERE n.id = c.conn)), '') AS src_name,
	(SELECT ip FROM addresses WHERE id = c.server) AS dst_ip,
	c.server_port AS dst_port,
	coalesce((SELECT nullif(pod, '') FROM procs WHERE id = (SELECT n.process_s FROM conns n WHERE n.id = c.conn)),
		(SELECT nullif(name, '') FROM addresses WHERE id = c.server),
		(SELECT name FROM procs WHERE id = (SELECT n.process_s FROM conns n WHERE n.id = c.conn)), '') AS dst_name,
	c.request_size,
	c.response_size,
	c.request_body AS request_body_size,
	c.response_body AS response_body_size,
	coalesce(c.request_body_wire, c.request_body) AS request_body_wire_size,
	coalesce(c.response_body_wire, c.response_body)
		AS response_body_wire_size,
	(SELECT text FROM strings WHERE id = c.request_type)
		AS request_content_type,
	(SELECT text FROM strings WHERE id = c.response_type)
		AS response_content_type,
	(SELECT text FROM strings WHERE id = c.user_agent) AS user_agent,
	(SELECT text FROM strings WHERE id = c.version) AS version,
	(SELECT text FROM strings WHERE id = c.summary) AS summary,
	c.tls != 0 AS tls,
	(SELECT substr(text, 1, instr(text, ' ') - 1) FROM strings WHERE id = c.tls)
		AS tls_version,
	(SELECT substr(substr(text, instr(text, ' ') + 1), 1, instr(substr(text, instr(text, ' ') + 1), ' ') - 1) FROM strings WHERE id = c.tls)
		AS tls_cipher,
	(SELECT substr(substr(text, instr(text, ' ') + 1), instr(substr(text, instr(text, ' ') + 1), ' ') + 1) FROM strings WHERE id = c.tls)
		AS tls_name,
	c.flags & 1 != 0 AS has_request,
	c.flags & 2 != 0 AS has_response,
	c.flags & 8 != 0 AS uncertain,
	(SELECT text FROM reasons WHERE id = c.reason) AS reason,
	c.flags & 48 = 0 AND c.flags & 3 = 3 AS complete,
	c.flags & 192 != 0 AS truncated,
	CASE WHEN c.flags & 16777216 THEN 'udp' WHEN c.flags & 33554432 THEN 'icmp'
		ELSE 'tcp' END AS transport,
	c.conn AS connection_id,
	c.request_segment,
	c.request_offset,
	c.response_segment,
	c.response_offset,
	(SELECT p.name FROM conns n JOIN procs p ON p.id = n.process_c
		WHERE n.id = c.conn) AS src_process,
	(SELECT p.pid FROM conns n JOIN procs p ON p.id = n.process_c
		WHERE n.id = c.conn) AS src_pid,
	(SELECT p.container FROM conns n JOIN procs p ON p.id = n.process_c
		WHERE n.id = c.conn) AS src_container,
	(SELECT p.pod FROM conns n JOIN procs p ON p.id = n.process_c
		WHERE n.id = c.conn) AS src_pod,
	(SELECT p.namespace FROM conns n JOIN procs p ON p.id = n.process_c
		WHERE n.id = c.conn) AS src_namespace,
	(SELECT p.name FROM conns n JOIN procs p ON p.id = n.process_s
		WHERE n.id = c.conn) AS dst_process,
	(SELECT p.pid FROM conns n JOIN procs p ON p.id = n.process_s
		WHERE n.id = c.conn) AS dst_pid,
	(SELECT p.container FROM conns n JOIN procs p ON p.id = n.process_s
		WHERE n.id = c.conn) AS dst_container,
	(SELECT p.pod FROM conns n JOIN procs p ON p.id = n.process_s
		WHERE n.id = c.conn) AS dst_pod,
	(SELECT p.namespace FROM conns n JOIN procs p ON p.id = n.process_s
		WHERE n.id = c.conn) AS dst_namespace
FROM calls c;

CREATE VIEW connections AS SELECT
	c.id,
	strftime('%Y-%m-%dT%H:%M:%f', c.ts / 1000000000.0, 'unixepoch') || 'Z'
		AS time,
	c.ts,
	c.last_ts,
	(c.last_ts - c.ts) / 1e6 AS duration_ms,
	CASE c.ip_protocol WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp'
		WHEN 132 THEN 'sctp' WHEN 1 THEN 'icmp' WHEN 58 THEN 'icmpv6'
		ELSE 'ip' || c.ip_protocol END AS transport,
	(SELECT name FROM protocols WHERE id = c.protocol) AS protocol,
	(SELECT name FROM states WHERE id = c.state) AS state,
	(SELECT ip FROM addresses WHERE id = c.client) AS src_ip,
	c.client_port AS src_port,
	coalesce((SELECT nullif(pod, '') FROM procs WHERE id = c.process_c),
		(SELECT nullif(name, '') FROM addresses WHERE id = c.client),
		(SELECT name FROM procs WHERE id = c.process_c), '') AS src_name,
	(SELECT ip FROM addresses WHERE id = c.server) AS dst_ip,
	c.server_port AS dst_port,
	coalesce((SELECT nullif(pod, '') FROM procs WHERE id = c.process_s),
		(SELECT nullif(name, '') FROM addresses WHERE id = c.server),
		(SELECT name FROM procs WHERE id = c.process_s), '') AS dst_name,
	c.calls,
	c.packets_c AS src_packets,
	c.packets_s AS dst_packets,
	c.bytes_c AS src_bytes,
	c.bytes_s AS dst_bytes,
	c.payload_c AS src_payload_bytes,
	c.payload_s AS dst_payload_bytes,
	c.undissected AS undissected_bytes,
	c.duplicates AS duplicate_packets,
	c.missing_c + c.missing_s AS missing_bytes,
	c.holes_c + c.holes_s AS holes,
	c.flags & 1 != 0 AS midstream,
	c.flags & 2 != 0 AS direction_guessed,
	c.flags & 4 != 0 AS one_direction,
	c.vlan,
	c.interface,
	hex(c.first_bytes_c) AS src_first_bytes,
	hex(c.first_bytes_s) AS dst_first_bytes,
	c.completeness,
	c.handshake / 1e6 AS handshake_ms,
	c.initial_rtt / 1e6 AS initial_rtt_ms,
	c.rtt_min / 1e6 AS rtt_min_ms,
	CASE WHEN c.rtt_samples THEN c.rtt_sum / 1e6 / c.rtt_samples END
		AS rtt_avg_ms,
	c.rtt_max / 1e6 AS rtt_max_ms,
	c.rtt_samples,
	c.jitter / 1e6 AS jitter_ms,
	c.first_data / 1e6 AS time_to_first_byte_ms,
	c.retransmissions_c + c.retransmissions_s AS retransmissions,
	c.fast_c + c.fast_s AS fast_retransmissions,
	c.disorder_c + c.disorder_s AS out_of_order,
	c.dup_acks_c + c.dup_acks_s AS dup_acks,
	c.zero_windows_c + c.zero_windows_s AS zero_windows,
	c.windows_full_c + c.windows_full_s AS windows_full,
	c.keepalives_c + c.keepalives_s AS keepalives,
	c.resets_c + c.resets_s AS resets,
	c.fins_c + c.fins_s AS fins,
	c.overlaps_c + c.overlaps_s AS overlaps_differing,
	c.segment,
	c.offset,
	(SELECT name FROM procs WHERE id = c.process_c) AS src_process,
	(SELECT pid FROM procs WHERE id = c.process_c) AS src_pid,
	(SELECT executable FROM procs WHERE id = c.process_c) AS src_executable,
	(SELECT uid FROM procs WHERE id = c.process_c) AS src_uid,
	(SELECT container FROM procs WHERE id = c.process_c) AS src_container,
	(SELECT pod FROM procs WHERE id = c.process_c) AS src_pod,
	(SELECT namespace FROM procs WHERE id = c.process_c) AS src_namespace,
	c.thread_c AS src_thread,
	(SELECT name FROM mechanisms WHERE id = c.told_c) AS src_mechanism,
	(SELECT name FROM procs WHERE id = c.process_s) AS dst_process,
	(SELECT pid FROM procs WHERE id = c.process_s) AS dst_pid,
	(SELECT executable FROM procs WHERE id = c.process_s) AS dst_executable,
	(SELECT uid FROM procs WHERE id = c.process_s) AS dst_uid,
	(SELECT container FROM procs WHERE id = c.process_s) AS dst_container,
	(SELECT pod FROM procs WHERE id = c.process_s) AS dst_pod,
	(SELECT namespace FROM procs WHERE id = c.process_s) AS dst_namespace,
	c.thread_s AS dst_thread,
	(SELECT name FROM mechanisms WHERE id = c.told_s) AS dst_mechanism
FROM conns c;

CREATE VIEW flows AS SELECT
	(SELECT ip FROM addresses WHERE id = c.client) AS src_ip,
	(SELECT name FROM addresses WHERE id = c.client) AS src_name,
	(SELECT ip FROM addresses WHERE id = c.server) AS dst_ip,
	c.server_port AS dst_port,
	(SELECT name FROM addresses WHERE id = c.server) AS dst_name,
	CASE c.ip_protocol WHEN 6 THEN 'tcp' WHEN 17 THEN 'udp'
		WHEN 132 THEN 'sctp' WHEN 1 THEN 'icmp' WHEN 58 THEN 'icmpv6'
		ELSE 'ip' || c.ip_protocol END AS transport,
	group_concat(DISTINCT (SELECT name FROM protocols WHERE id = c.protocol))
		AS protocols,
	count(*) AS connections,
	sum(c.calls) AS calls,
	sum(c.packets_c + c.packets_s) AS packets,
	sum(c.bytes_c) AS src_bytes,
	sum(c.bytes_s) AS dst_bytes,
	min(c.ts) AS first_ts,
	max(c.last_ts) AS last_ts,
	sum(c.retransmissions_c + c.retransmissions_s) AS retransmissions,
	sum(c.missing_c + c.missing_s) AS missing_bytes,
	group_concat(DISTINCT (SELECT nullif(name, '') FROM procs
		WHERE id = c.process_c)) AS src_processes,
	group_concat(DISTINCT (SELECT nullif(pod, '') FROM procs
		WHERE id = c.process_c)) AS src_pods,
	group_concat(DISTINCT (SELECT nullif(namespace, '') FROM procs
		WHERE id = c.process_c)) AS src_namespaces,
	group_concat(DISTINCT (SELECT nullif(container, '') FROM procs
		WHERE id = c.process_c)) AS src_containers,
	group_concat(DISTINCT (SELECT nullif(name, '') FROM procs
		WHERE id = c.process_s)) AS dst_processes,
	group_concat(DISTINCT (SELECT nullif(pod, '') FROM procs
		WHERE id = c.process_s)) AS dst_pods,
	group_concat(DISTINCT (SELECT nullif(namespace, '') FROM procs
		WHERE id = c.process_s)) AS dst_namespaces,
	group_concat(DISTINCT (SELECT nullif(container, '') FROM procs
		WHERE id = c.process_s)) AS dst_containers
FROM conns c
GROUP BY c.client, c.server, c.server_port, c.ip_protocol;

-- What an end of a connection is called, by the id that end_name() gives.
CREATE VIEW end_names AS
	SELECT id, name FROM addresses
	UNION ALL SELECT id, iif(pod = '', name, pod) FROM procs;

CREATE VIEW workloads AS SELECT
	CASE WHEN p.pod != '' THEN 'pod' WHEN p.container != '' THEN 'container'
		WHEN p.id != 0 THEN 'process' WHEN a.name != '' THEN 'dns'
		ELSE 'address' END AS kind,
	CASE WHEN p.pod != '' THEN p.pod
		WHEN p.container != '' THEN substr(p.container, 1, 12)
		WHEN p.id != 0 THEN p.name ELSE a.name END AS name,
	CASE WHEN p.id != 0 THEN (SELECT name FROM mechanisms WHERE id = r.told)
		WHEN a.name != '' THEN 'dns' ELSE 'none' END AS mechanism,
	a.ip,
	a.name AS dns,
	p.name AS process,
	p.executable,
	p.container,
	p.pod,
	p.namespace,
	count(DISTINCT nullif(p.id, 0)) AS processes,
	sum(r.is_client) AS connections_as_client,
	sum(1 - r.is_client) AS connections_as_server,
	sum(r.calls * r.is_client) AS calls_as_client,
	sum(r.calls * (1 - r.is_client)) AS calls_as_server,
	sum(r.sent) AS bytes_sent,
	sum(r.received) AS bytes_received,
	min(r.ts) AS first_ts,
	max(r.last_ts) AS last_ts
FROM (
	SELECT client AS address, process_c AS process, told_c AS told,
		1 AS is_client, calls, bytes_c AS sent, bytes_s AS received, ts,
		last_ts FROM conns
	UNION ALL
	SELECT server, process_s, told_s, 0, calls, bytes_s, bytes_c, ts,
		last_ts FROM conns
) r
JOIN addresses a ON a.id = r.address
JOIN procs p ON p.id = r.process
GROUP BY a.id, p.namespace, p.pod, p.container, p.executable, p.name;

CREATE VIEW processes AS SELECT
	p.pid,
	p.parent AS parent_pid,
	p.name,
	p.executable,
	p.uid,
	p.started AS started_ts,
	p.ended AS ended_ts,
	p.cgroup,
	p.container,
	p.pod,
	p.namespace,
	p.pod_container AS container_name,
	p.pod_uid,
	p.kubernetes_mechanism,
	p.netns
FROM procs p WHERE p.id != 0;

CREATE VIEW errors AS SELECT
	(SELECT name FROM protocols WHERE id = c.protocol) AS protocol,
	(SELECT text FROM strings WHERE id = c.method) AS method,
	(SELECT text FROM strings WHERE id = c.host) AS host,
	(SELECT text FROM strings WHERE id = c.path) AS path,
	c.status,
	(SELECT text FROM strings WHERE id = c.error) AS error,
	count(*) AS calls,
	min(c.ts) AS first_ts,
	max(c.ts) AS last_ts,
	min(c.id) AS example_id
FROM calls c
WHERE c.flags & 4
GROUP BY c.protocol, c.method, c.host, c.path, c.status, c.error;
