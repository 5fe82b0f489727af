/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keys/key_loader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <key_probes.skel.h>

static int
loader_silent(enum libbpf_print_level level, const char *format, va_list list)
{
	(void)level;
	(void)format;
	(void)list;
	return 0;
}

static void
loader_degraded(struct key_loader *l, const char *feature, const char *why)
{
	json_array_append_new(l->degraded, json_pack("{s:s,s:s}", "feature",
						     feature, "why", why));
}

static struct bpf_program *
loader_program(const struct key_probes *s, enum key_program_kind kind)
{
	switch (kind) {
	case KEY_PROGRAM_OPENSSL:
		return s->progs.key_openssl;
	case KEY_PROGRAM_OPENSSL_1:
		return s->progs.key_openssl_1;
	case KEY_PROGRAM_GO:
		return s->progs.key_go;
	case KEY_PROGRAM_HKDF:
		return s->progs.key_hkdf;
	case KEY_PROGRAM_HKDF_RETURN:
		return s->progs.key_hkdf_return;
	case KEY_PROGRAM_PRF:
		return s->progs.key_prf;
	case KEY_PROGRAM_BORINGSSL:
		return s->progs.key_boringssl;
	case KEY_PROGRAM_BORINGSSL_PRF:
		return s->progs.key_boringssl_prf;
	case KEY_PROGRAM_COUNT:
		break;
	}
	return NULL;
}

/* Whether the tracepoints of socket I/O (Linux 6.3) and of exec are asked. */
struct loader_features {
	bool multi, sockets;
};

/* Opens and loads once; 0 or -errno. */
static int
loader_try(struct key_loader *l, const struct key_loader_settings *settings,
	   struct loader_features features)
{
	struct key_probes *s = key_probes__open();
	int status;

	if (!s)
		return -errno;
	bpf_program__set_autoload(s->progs.socket_sent, features.sockets);
	bpf_program__set_autoload(s->progs.socket_received, features.sockets);
	for (unsigned i = 0; i < KEY_PROGRAM_COUNT; i++)
		if (features.multi)
			bpf_program__set_expected_attach_type(
				loader_program(s, i),
				(enum bpf_attach_type)PROBE_MULTI_TYPE);
	bpf_map__set_max_entries(s->maps.secrets, settings->ring_bytes);
	s->rodata->wake_bytes = settings->ring_bytes / 2;
	status = key_probes__load(s);
	if (status < 0) {
		key_probes__destroy(s);
		return status;
	}
	l->skeleton = s;
	l->method = features.multi ? PROBE_MULTI : PROBE_PERF;
	for (unsigned i = 0; i < KEY_PROGRAM_COUNT; i++)
		l->programs[i] = bpf_program__fd(loader_program(s, i));
	return 0;
}

/* Attaches to this program itself, where nothing runs, and lets go. */
static int
loader_can_attach(const struct key_loader *l, struct error *e)
{
	int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), link;

	if (self < 0)
		return 0;
	link = probe_link_attach(l->method, l->programs[KEY_PROGRAM_PRF], self,
				 0, false, e);
	close(self);
	if (link >= 0)
		close(link);
	return link < 0 ? link : 0;
}

static int
loader_failed(int status, struct error *e)
{
	if (status == -EPERM || status == -EACCES)
		return error_set(e, ERR_DENIED,
				 "TLS keys need CAP_BPF and CAP_PERFMON");
	return error_set(e, ERR_UNSUPPORTED,
			 "this kernel does not load the programs for TLS "
			 "keys (%s); they need BTF and Linux 5.12",
			 strerror(-status));
}

/* The best that this kernel loads and attaches. */
static int
loader_load(struct key_loader *l, const struct key_loader_settings *settings,
	    struct error *e)
{
	static const struct loader_features ladder[] = {
		{ true, true }, { true, false }, { false, true },
		{ false, false },
	};
	int status = -EINVAL, attached = 0;

	for (size_t i = 0; i < sizeof(ladder) / sizeof(ladder[0]); i++) {
		status = loader_try(l, settings, ladder[i]);
		if (status < 0)
			continue;
		attached = loader_can_attach(l, e);
		if (attached == 0) {
			if (!ladder[i].sockets)
				loader_degraded(l, "socket of a secret",
						"sock_send_length is not to be "
						"had (Linux 6.3)");
			if (!ladder[i].multi)
				loader_degraded(l, "uprobe_multi",
						"not in this kernel (Linux "
						"6.6): PMU uprobes instead");
			return 0;
		}
		key_probes__destroy(l->skeleton);
		l->skeleton = NULL;
	}
	return attached < 0 ? attached : loader_failed(status, e);
}

static void
loader_attach(struct key_loader *l, struct bpf_program *program,
	      struct bpf_link **link, const char *feature)
{
	if (bpf_program__fd(program) < 0)
		return;
	*link = bpf_program__attach(program);
	if (!*link)
		loader_degraded(l, feature, strerror(errno));
}

int
key_loader_open(struct key_loader *l,
		const struct key_loader_settings *settings, struct error *e)
{
	libbpf_print_fn_t before = libbpf_set_print(loader_silent);
	struct key_probes *s;
	int status;

	l->degraded = json_array();
	l->known_files = -1;
	status = loader_load(l, settings, e);
	libbpf_set_print(before);
	if (status < 0)
		return status;
	s = l->skeleton;
	l->known_files = bpf_map__fd(s->maps.known_files);
	loader_attach(l, s->progs.socket_sent, &s->links.socket_sent,
		      "socket of a secret");
	loader_attach(l, s->progs.socket_received, &s->links.socket_received,
		      "socket of a secret");
	loader_attach(l, s->progs.program_started, &s->links.program_started,
		      "programs that are started later");
	l->rings = ring_buffer__new(bpf_map__fd(s->maps.programs),
				    settings->on_program, settings->context,
				    NULL);
	if (!l->rings ||
	    ring_buffer__add(l->rings, bpf_map__fd(s->maps.secrets),
			     settings->on_secret, settings->context) < 0)
		return error_set_errno(e, errno, "cannot map a BPF ring");
	return 0;
}

void
key_loader_consume(struct key_loader *l)
{
	if (l->rings)
		ring_buffer__consume(l->rings);
}

int
key_loader_descriptor(const struct key_loader *l)
{
	return ring_buffer__epoll_fd(l->rings);
}

uint64_t
key_loader_lost(const struct key_loader *l)
{
	return l->skeleton ? l->skeleton->bss->lost_secrets : 0;
}

uint64_t
key_loader_missed(const struct key_loader *l)
{
	return l->skeleton ? l->skeleton->bss->lost_programs : 0;
}

void
key_loader_close(struct key_loader *l)
{
	ring_buffer__free(l->rings);
	key_probes__destroy(l->skeleton);
	json_decref(l->degraded);
	*l = (struct key_loader){ .skeleton = NULL };
}
