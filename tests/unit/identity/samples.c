/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/identity/samples.h"

#include <string.h>

#include "base/bytes.h"

void
sample_address(uint8_t address[16], uint8_t last)
{
	static const uint8_t start[16] = { [10] = 0xff, [11] = 0xff,
					   [12] = 10 };

	memcpy(address, start, sizeof(start));
	address[15] = last;
}

struct identity_process
sample_process(uint64_t id, uint32_t pid, const char *name)
{
	return (struct identity_process){
		.id = id,
		.pid = pid,
		.parent = 1,
		.uid = 33,
		.from_ns = 1000,
		.cgroup = 25,
		.netns = 4026531840,
		.mechanism = IDENTITY_MECHANISM_TRACEPOINT,
		.name = bytes_of(name),
		.executable = bytes_of("/usr/sbin/nginx"),
		.cgroup_path = bytes_of("/system.slice/nginx.service"),
	};
}

struct identity_socket
sample_socket(uint64_t cookie, uint64_t process, uint16_t local_port,
	      uint16_t remote_port)
{
	struct identity_socket s = {
		.cookie = cookie,
		.process = process,
		.thread = 4,
		.ip_protocol = 6,
		.listening = remote_port == 0,
		.mechanism = IDENTITY_MECHANISM_ITERATOR,
		.local_port = local_port,
		.remote_port = remote_port,
		.netns = 4026531840,
		.netns_cookie = 1,
		.from_ns = 100,
	};

	if (remote_port) {
		sample_address(s.local, 1);
		sample_address(s.remote, 2);
	}
	return s;
}

struct identity_end
sample_end(uint64_t cookie, uint16_t local_port, uint16_t remote_port)
{
	struct identity_end end = { .cookie = cookie,
				    .netns = 1,
				    .local_port = local_port,
				    .remote_port = remote_port,
				    .ip_protocol = 6 };

	sample_address(end.local, 1);
	sample_address(end.remote, 2);
	return end;
}
