/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/guard.h"

#include <string.h>

#include "base/text.h"

static const char *const loopback[] = { "localhost", "127.0.0.1", "[::1]" };

bool
guard_add_host(struct guard *g, const char *host)
{
	if (g->host_count == GUARD_MAX)
		return false;
	g->hosts[g->host_count++] = host;
	return true;
}

bool
guard_add_origin(struct guard *g, const char *origin)
{
	if (g->origin_count == GUARD_MAX)
		return false;
	g->origins[g->origin_count++] = origin;
	return true;
}

/* "host:port" without the port; NULL data when the port is none. */
static struct bytes
without_port(struct bytes host)
{
	size_t end = host.size;
	uint64_t port;

	while (end > 0 && host.data[end - 1] != ':' &&
	       host.data[end - 1] != ']')
		end--;
	if (end == 0 || host.data[end - 1] == ']')
		return host;
	if (!text_u64(bytes_from(host, end), &port) || port > 65535)
		return bytes_make(NULL, 0);
	return bytes_first(host, end - 1);
}

bool
guard_allows_host(const struct guard *g, struct bytes host)
{
	struct bytes name = without_port(host);

	if (g->any_host)
		return true;
	for (size_t i = 0; i < sizeof(loopback) / sizeof(*loopback); i++)
		if (bytes_equal_nocase(name, bytes_of(loopback[i])))
			return true;
	for (size_t i = 0; i < g->host_count; i++)
		if (bytes_equal_nocase(name, bytes_of(g->hosts[i])))
			return true;
	return false;
}

bool
guard_allows_origin(const struct guard *g, struct bytes origin)
{
	struct guard named = *g;

	for (size_t i = 0; i < g->origin_count; i++)
		if (bytes_equal_nocase(origin, bytes_of(g->origins[i])))
			return true;
	named.any_host = false;
	if (bytes_starts_with(origin, "http://"))
		return guard_allows_host(&named, bytes_from(origin, 7));
	if (bytes_starts_with(origin, "https://"))
		return guard_allows_host(&named, bytes_from(origin, 8));
	return false;
}

bool
guard_allows(const struct guard *g, const struct http_request *r)
{
	struct bytes host = http_request_field(r, "host");
	struct bytes origin = http_request_field(r, "origin");

	if (host.data && !guard_allows_host(g, host))
		return false;
	return !origin.data || (http_request_count(r, "origin") == 1 &&
				guard_allows_origin(g, origin));
}
