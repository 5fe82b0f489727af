/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/container_id.h"

#include <string.h>

#define ID_SIZE 64

struct container_prefix {
	const char *text;
	const char *runtime;
};

/* "<prefix><id>.scope" of the systemd drivers, and containerd's older
 * "<slice>:cri-containerd:<id>". */
static const struct container_prefix container_prefixes[] = {
	{ "cri-containerd-", "containerd" },
	{ "cri-containerd:", "containerd" },
	{ "containerd-", "containerd" },
	{ "nerdctl-", "containerd" },
	{ "docker-", "docker" },
	{ "crio-", "cri-o" },
	{ "libpod-", "podman" },
};

static bool
is_hex(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++) {
		uint8_t c = in.data[i];

		if (!(c >= '0' && c <= '9') && !(c >= 'a' && c <= 'f'))
			return false;
	}
	return in.size > 0;
}

static struct bytes
without_suffix(struct bytes in, const char *suffix)
{
	size_t n = strlen(suffix);

	if (in.size >= n && memcmp(in.data + in.size - n, suffix, n) == 0)
		in.size -= n;
	return in;
}

/* ECS on Fargate: 32 hex digits of the task, a dash, decimal digits. */
static bool
is_fargate(struct bytes in)
{
	if (in.size < 34 || in.data[32] != '-' || !is_hex(bytes_first(in, 32)))
		return false;
	for (size_t i = 33; i < in.size; i++)
		if (in.data[i] < '0' || in.data[i] > '9')
			return false;
	return true;
}

static bool
container_component(struct bytes part, struct bytes above,
		    struct container_id *out)
{
	const size_t count =
		sizeof(container_prefixes) / sizeof(container_prefixes[0]);
	const uint8_t *colon;

	part = without_suffix(part, ".scope");
	if (part.size == ID_SIZE && is_hex(part)) {
		out->id = part;
		out->runtime = bytes_equal(above, bytes_of("docker"))
				       ? "docker"
				       : "";
		return true;
	}
	if (is_fargate(part)) {
		out->id = part;
		out->runtime = "";
		return true;
	}
	if (bytes_starts_with(part, "lxc.payload.")) {
		out->id = bytes_from(part, strlen("lxc.payload."));
		out->runtime = "lxc";
		return true;
	}
	/* "kubepods-….slice:cri-containerd:<id>" */
	colon = memchr(part.data, ':', part.size);
	if (colon)
		part = bytes_from(part, (size_t)(colon + 1 - part.data));
	for (size_t i = 0; i < count; i++) {
		struct bytes id;

		if (!bytes_starts_with(part, container_prefixes[i].text))
			continue;
		id = bytes_from(part, strlen(container_prefixes[i].text));
		if (id.size != ID_SIZE || !is_hex(id))
			continue;
		out->id = id;
		out->runtime = container_prefixes[i].runtime;
		return true;
	}
	return false;
}

/* "pod<uid>" or "kubepods-burstable-pod<uid>.slice": systemd writes the
 * dashes of a uid as underscores. */
static bool
pod_component(struct bytes part, struct container_id *out)
{
	const uint8_t *colon = memchr(part.data, ':', part.size);
	size_t at = 0;
	struct bytes uid;

	if (colon)
		part.size = (size_t)(colon - part.data);
	part = without_suffix(part, ".slice");
	if (bytes_starts_with(part, "pod")) {
		at = 3;
	} else if (bytes_starts_with(part, "kubepods") ||
		   bytes_starts_with(part, "kubelet-kubepods")) {
		for (size_t i = 0; i + 4 < part.size; i++)
			if (memcmp(part.data + i, "-pod", 4) == 0)
				at = i + 4;
	}
	uid = bytes_from(part, at);
	/* A UUID, or the hash of a static pod's manifest. */
	if (at == 0 || uid.size < 32 || uid.size >= sizeof(out->pod_uid))
		return false;
	for (size_t i = 0; i < uid.size; i++) {
		char c = (char)uid.data[i];

		if (c != '-' && c != '_' &&
		    !is_hex(bytes_make(uid.data + i, 1))) {
			out->pod_uid[0] = '\0';
			return false;
		}
		out->pod_uid[i] = (char)(c == '_' ? '-' : c);
	}
	out->pod_uid[uid.size] = '\0';
	return true;
}

bool
container_id_parse(struct bytes path, struct container_id *out)
{
	struct bytes above = bytes_of("");
	bool found = false;

	*out = (struct container_id){ .runtime = "" };
	while (path.size) {
		const uint8_t *slash = memchr(path.data, '/', path.size);
		struct bytes part = bytes_first(
			path, slash ? (size_t)(slash - path.data) : path.size);

		if (part.size) {
			found |= pod_component(part, out);
			found |= container_component(part, above, out);
			above = part;
		}
		path = bytes_from(path, part.size + 1);
	}
	return found;
}
