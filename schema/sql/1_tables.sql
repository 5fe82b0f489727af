-- SPDX-License-Identifier: Apache-2.0
-- The tables of a dissection database, schema version 5.  They are private:
-- their shape follows speed and may change with the version.  The public
-- schema is the views of 2_views.sql and the tables meta, coverage, faults
-- and names (docs/store.md).

CREATE TABLE meta (
	key TEXT PRIMARY KEY,
	value TEXT NOT NULL            -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE coverage (
	counter TEXT PRIMARY KEY,
	value INTEGER NOT NULL,
	description TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE faults (
	id INTEGER PRIMARY KEY,
	kind TEXT NOT NULL,
	text TEXT NOT NULL
) STRICT;

CREATE TABLE names (
	ip TEXT NOT NULL,
	name TEXT NOT NULL,
	answers INTEGER NOT NULL,      -- how often this was answered
	first_ts INTEGER NOT NULL,     -- ns since 1970 UTC
	last_ts INTEGER NOT NULL,
	PRIMARY KEY (ip, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE protocols (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;
CREATE TABLE reasons (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;
CREATE TABLE states (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;

-- Every interned string; 0 is the empty one.  Not unique: when the writer's
-- table of known strings is full, a string may get a second id.
CREATE TABLE strings (id INTEGER PRIMARY KEY, text TEXT NOT NULL) STRICT;

CREATE TABLE addresses (
	id INTEGER PRIMARY KEY,
	ip TEXT NOT NULL,
	key BLOB NOT NULL,             -- 16 bytes, IPv4 mapped: CIDR is a range
	name TEXT NOT NULL DEFAULT ''  -- the most answered in names
) STRICT;

-- Processes that were at an end of a connection, as the recorder knew them.
-- Ids are negative, so that a view can have them beside addresses; 0: the one
-- that nobody knows.
CREATE TABLE procs (
	id INTEGER PRIMARY KEY,
	pid INTEGER NOT NULL DEFAULT 0,
	parent INTEGER NOT NULL DEFAULT 0,
	uid INTEGER NOT NULL DEFAULT -1, -- -1: unknown
	started INTEGER NOT NULL DEFAULT 0, -- ns since 1970 UTC; 0: unknown
	ended INTEGER NOT NULL DEFAULT 0,   -- 0: it lived
	cgroup_id INTEGER NOT NULL DEFAULT 0,
	netns INTEGER NOT NULL DEFAULT 0,   -- inode; 0: unknown
	name TEXT NOT NULL DEFAULT '',
	executable TEXT NOT NULL DEFAULT '',
	cgroup TEXT NOT NULL DEFAULT '',
	container TEXT NOT NULL DEFAULT '',
	pod TEXT NOT NULL DEFAULT '',
	namespace TEXT NOT NULL DEFAULT '',
	pod_uid TEXT NOT NULL DEFAULT '',
	pod_container TEXT NOT NULL DEFAULT '',
	kubernetes_mechanism TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE mechanisms (id INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;

-- Heads and bodies, zstd; calls.payload says where in them.
CREATE TABLE blocks (
	id INTEGER PRIMARY KEY,
	kind INTEGER NOT NULL,         -- 0 heads, 1 bodies
	raw_size INTEGER NOT NULL,
	data BLOB NOT NULL
) STRICT;

-- Rows in the order calls were completed.  What filters and statistics read
-- comes first, because a column costs the decoding of those before it.
CREATE TABLE calls (
	id INTEGER PRIMARY KEY,
	ts INTEGER NOT NULL,           -- first byte, ns since 1970 UTC
	elapsed INTEGER,               -- ns, first to last byte; NULL: not a pair
	status INTEGER,
	flags INTEGER NOT NULL,        -- enum call_flag, 1 << 24: over UDP, 1 << 25: ICMP
	protocol INTEGER NOT NULL,     -- protocols.id
	method INTEGER NOT NULL,       -- strings.id, and so on
	host INTEGER NOT NULL,
	path INTEGER NOT NULL,
	request_size INTEGER NOT NULL, -- bytes on the wire
	response_size INTEGER NOT NULL,
	client INTEGER NOT NULL,       -- addresses.id
	server INTEGER NOT NULL,
	client_port INTEGER NOT NULL,
	server_port INTEGER NOT NULL,
	conn INTEGER NOT NULL,         -- conns.id
	query TEXT NOT NULL,
	version INTEGER NOT NULL,
	status_text INTEGER NOT NULL,
	request_type INTEGER NOT NULL, -- content types
	response_type INTEGER NOT NULL,
	user_agent INTEGER NOT NULL,
	error INTEGER NOT NULL,
	summary INTEGER NOT NULL,
	tls INTEGER NOT NULL,          -- "version cipher name"; 0: in the clear
	reason INTEGER NOT NULL,       -- reasons.id
	request_time INTEGER NOT NULL, -- ns from its first to its last byte
	response_time INTEGER NOT NULL,
	request_body INTEGER NOT NULL, -- decoded bytes
	response_body INTEGER NOT NULL,
	request_body_wire INTEGER,     -- NULL: the same
	response_body_wire INTEGER,
	request_segment INTEGER,       -- evidence; NULL: no request
	request_offset INTEGER,
	response_segment INTEGER,
	response_offset INTEGER,
	payload BLOB                   -- payload_refs.h; NULL: nothing kept
) STRICT;
-- For SQL of one's own; the tools go by zones.
CREATE INDEX calls_ts ON calls (ts);

-- What a run of consecutive calls has at least and at most, so that a query
-- skips the runs that cannot answer it.  id is that of the first call.
CREATE TABLE zones (
	id INTEGER PRIMARY KEY,
	last_id INTEGER NOT NULL,
	min_ts INTEGER NOT NULL,
	max_ts INTEGER NOT NULL,
	max_elapsed INTEGER NOT NULL,
	max_size INTEGER NOT NULL,     -- request_size + response_size
	min_status INTEGER NOT NULL,   -- 0: a call without one
	max_status INTEGER NOT NULL,
	errors INTEGER NOT NULL,
	statuses INTEGER NOT NULL      -- bit status % 63
) STRICT;
CREATE INDEX zones_newest ON zones (max_ts);
CREATE INDEX zones_oldest ON zones (min_ts);
CREATE INDEX zones_slowest ON zones (max_elapsed);
CREATE INDEX zones_largest ON zones (max_size);

-- Facts of the client's side first, then the server's (`_c`, `_s`).
CREATE TABLE conns (
	id INTEGER PRIMARY KEY,
	ts INTEGER NOT NULL,
	last_ts INTEGER NOT NULL,
	protocol INTEGER NOT NULL,
	ip_protocol INTEGER NOT NULL,
	state INTEGER NOT NULL,        -- states.id
	flags INTEGER NOT NULL,        -- 1 midstream, 2 guessed, 4 one direction
	client INTEGER NOT NULL,
	server INTEGER NOT NULL,
	client_port INTEGER NOT NULL,
	server_port INTEGER NOT NULL,
	calls INTEGER NOT NULL,
	packets_c INTEGER NOT NULL,
	packets_s INTEGER NOT NULL,
	bytes_c INTEGER NOT NULL,
	bytes_s INTEGER NOT NULL,
	payload_c INTEGER NOT NULL,
	payload_s INTEGER NOT NULL,
	undissected INTEGER NOT NULL,
	duplicates INTEGER NOT NULL,
	missing_c INTEGER NOT NULL,
	missing_s INTEGER NOT NULL,
	holes_c INTEGER NOT NULL,
	holes_s INTEGER NOT NULL,
	vlan INTEGER NOT NULL,
	interface INTEGER NOT NULL,
	segment INTEGER NOT NULL,
	offset INTEGER NOT NULL,
	first_bytes_c BLOB,
	first_bytes_s BLOB,
	completeness INTEGER NOT NULL,
	handshake INTEGER NOT NULL,    -- ns, here and below; 0: not seen
	initial_rtt INTEGER NOT NULL,
	rtt_min INTEGER NOT NULL,
	rtt_max INTEGER NOT NULL,
	rtt_sum INTEGER NOT NULL,
	rtt_samples INTEGER NOT NULL,
	jitter INTEGER NOT NULL,
	first_data INTEGER NOT NULL,
	scale_c INTEGER NOT NULL,      -- 255: unknown
	scale_s INTEGER NOT NULL,
	window_c INTEGER NOT NULL,     -- sum over packets
	window_s INTEGER NOT NULL,
	retransmissions_c INTEGER NOT NULL,
	retransmissions_s INTEGER NOT NULL,
	fast_c INTEGER NOT NULL,
	fast_s INTEGER NOT NULL,
	disorder_c INTEGER NOT NULL,
	disorder_s INTEGER NOT NULL,
	dup_acks_c INTEGER NOT NULL,
	dup_acks_s INTEGER NOT NULL,
	zero_windows_c INTEGER NOT NULL,
	zero_windows_s INTEGER NOT NULL,
	windows_full_c INTEGER NOT NULL,
	windows_full_s INTEGER NOT NULL,
	keepalives_c INTEGER NOT NULL,
	keepalives_s INTEGER NOT NULL,
	resets_c INTEGER NOT NULL,
	resets_s INTEGER NOT NULL,
	fins_c INTEGER NOT NULL,
	fins_s INTEGER NOT NULL,
	overlaps_c INTEGER NOT NULL,
	overlaps_s INTEGER NOT NULL,
	process_c INTEGER NOT NULL,    -- procs.id; 0: not known
	process_s INTEGER NOT NULL,
	thread_c INTEGER NOT NULL,     -- 0: not known
	thread_s INTEGER NOT NULL,
	told_c INTEGER NOT NULL,       -- mechanisms.id
	told_s INTEGER NOT NULL
) STRICT;
