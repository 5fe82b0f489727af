/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keys/plaintext.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <plaintext_probes.skel.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "capture/keys/elf_file.h"
#include "capture/keys/plaintext_event.h"
#include "capture/keys/plaintext_packet.h"
#include "capture/keys/probe_link.h"
#include "capture/keys/process_files.h"

#define FUNCTIONS 4
#define LINKS_MAX (PLAINTEXT_PROCESSES_MAX * 4 * FUNCTIONS * 2)
/* Handed on when so much is there. */
#define OUTPUT_BYTES ((size_t)1 << 20)

struct plaintext {
	struct plaintext_options options;
	uint32_t pids[PLAINTEXT_PROCESSES_MAX];
	struct plaintext_probes *skeleton;
	struct ring_buffer *ring;
	int links[LINKS_MAX];
	uint32_t link_count;
	struct buf output;
	int64_t offset_ns; /* from the monotonic clock to UTC */
};

static int
plaintext_silent(enum libbpf_print_level level, const char *format,
		 va_list list)
{
	(void)level;
	(void)format;
	(void)list;
	return 0;
}

static void
plaintext_flush(struct plaintext *p)
{
	if (p->output.size > 0)
		p->options.take(p->options.context, buf_view(&p->output));
	buf_reset(&p->output);
}

static int
plaintext_on_event(void *context, void *data, size_t size)
{
	struct plaintext *p = context;
	const struct plaintext_event *event = data;

	if (size < sizeof(*event) || event->size > size - sizeof(*event))
		return 0;
	plaintext_packet(&p->output, event,
			 bytes_make((const uint8_t *)data + sizeof(*event),
				    event->size),
			 (int64_t)event->time_ns + p->offset_ns);
	if (p->output.size >= OUTPUT_BYTES)
		plaintext_flush(p);
	return 0;
}

void
plaintext_dispatch(struct plaintext *p)
{
	p->offset_ns = clock_wall_ns() - clock_monotonic_ns();
	ring_buffer__consume(p->ring);
	plaintext_flush(p);
}

int
plaintext_descriptor(const struct plaintext *p)
{
	return ring_buffer__epoll_fd(p->ring);
}

/* ---- attaching ---- */

static int
plaintext_load(struct plaintext *p, struct error *e)
{
	struct plaintext_probes *s = plaintext_probes__open();
	struct bpf_program *program;
	int status;

	if (!s)
		return error_set_errno(e, errno, "cannot open the programs");
	p->skeleton = s;
	bpf_object__for_each_program (program, s->obj)
		if (bpf_program__type(program) == BPF_PROG_TYPE_KPROBE)
			bpf_program__set_expected_attach_type(
				program,
				(enum bpf_attach_type)PROBE_MULTI_TYPE);
	status = plaintext_probes__load(s);
	if (status == -EPERM || status == -EACCES)
		return error_set(e, ERR_DENIED,
				 "--tls-plaintext needs CAP_BPF and "
				 "CAP_PERFMON");
	if (status < 0)
		return error_set(e, ERR_UNSUPPORTED,
				 "this kernel does not load the programs for "
				 "--tls-plaintext (%s); they need Linux 6.6",
				 strerror(-status));
	s->links.plaintext_sent = bpf_program__attach(s->progs.plaintext_sent);
	s->links.plaintext_received =
		bpf_program__attach(s->progs.plaintext_received);
	if (!s->links.plaintext_sent || !s->links.plaintext_received)
		return error_set_errno(e, errno,
				       "cannot attach to sockets' I/O");
	p->ring = ring_buffer__new(bpf_map__fd(s->maps.plaintext),
				   plaintext_on_event, p, NULL);
	return p->ring ? 0 : error_set_errno(e, errno, "cannot map a ring");
}

/* A process that is being attached to. */
struct plaintext_target {
	struct plaintext *plaintext;
	const char *proc;
	struct key_file last; /* looked into */
	uint32_t found;       /* functions */
	struct error *error;
};

static int
plaintext_attach(struct plaintext_target *t, const struct process_file *file,
		 int fd, uint64_t offset, const struct bpf_program *entry)
{
	struct plaintext *p = t->plaintext;
	const int programs[] = {
		bpf_program__fd(entry),
		bpf_program__fd(p->skeleton->progs.plaintext_return),
	};

	for (int i = 0; i < 2; i++) {
		const struct probe_place place = { offset, i == 1 };
		int link;

		if (p->link_count == LINKS_MAX)
			return error_set(t->error, ERR_LIMIT,
					 "too many libraries for "
					 "--tls-plaintext");
		link = probe_link_attach_process(programs[i], fd, &place,
						 file->pid, t->error);
		if (link < 0)
			return link;
		p->links[p->link_count++] = link;
	}
	t->found++;
	return 0;
}

static int
plaintext_look(struct plaintext_target *t, const struct process_file *file,
	       int fd)
{
	const struct plaintext_probes *s = t->plaintext->skeleton;
	const struct {
		const char *name;
		const struct bpf_program *program;
	} functions[FUNCTIONS] = {
		{ "SSL_write", s->progs.plaintext_write },
		{ "SSL_read", s->progs.plaintext_read },
		{ "SSL_write_ex", s->progs.plaintext_write_ex },
		{ "SSL_read_ex", s->progs.plaintext_read_ex },
	};
	struct elf_file *elf = elf_file_open(fd);
	int status = 0;

	for (int i = 0; elf && status == 0 && i < FUNCTIONS; i++) {
		uint64_t offset;

		if (elf_file_function(elf, functions[i].name, true, &offset))
			status = plaintext_attach(t, file, fd, offset,
						  functions[i].program);
	}
	if (elf)
		elf_file_close(elf);
	return status;
}

static int
plaintext_visit(void *context, const struct process_file *file)
{
	struct plaintext_target *t = context;
	int fd, status;

	/* One file is mapped in a row. */
	if (t->last.inode == file->id.inode &&
	    t->last.device == file->id.device)
		return 0;
	t->last = file->id;
	fd = process_file_open(t->proc, file);
	if (fd < 0)
		return 0;
	status = plaintext_look(t, file, fd);
	close(fd);
	return status;
}

static int
plaintext_attach_process(struct plaintext *p, const char *proc, uint32_t pid,
			 struct error *e)
{
	struct error why = { .code = 0 };
	struct plaintext_target target = { .plaintext = p, .proc = proc,
					   .error = &why };
	int status = process_files(proc, pid, plaintext_visit, &target);

	if (status < 0 && why.code)
		return error_set(e, status, "--tls-plaintext %u: %s", pid,
				 why.text);
	if (status < 0)
		return error_set(e, status, "--tls-plaintext %u: %s", pid,
				 status == ERR_NOTFOUND
					 ? "there is no such process"
					 : "it may not be looked into");
	if (target.found == 0)
		return error_set(e, ERR_UNSUPPORTED,
				 "--tls-plaintext %u: it maps nothing with a "
				 "symbol SSL_write or SSL_read", pid);
	return 0;
}

int
plaintext_open(const struct plaintext_options *options, struct plaintext **out,
	       struct error *e)
{
	libbpf_print_fn_t before = libbpf_set_print(plaintext_silent);
	struct plaintext *p = alloc_zero(1, sizeof(*p));
	const char *proc = options->proc ? options->proc : "/proc";
	int status;

	p->options = *options;
	buf_init(&p->output, 2 * OUTPUT_BYTES);
	status = options->pid_count > PLAINTEXT_PROCESSES_MAX
			 ? error_set(e, ERR_LIMIT, "at most %u processes",
				     PLAINTEXT_PROCESSES_MAX)
			 : plaintext_load(p, e);
	libbpf_set_print(before);
	for (size_t i = 0; status == 0 && i < options->pid_count; i++) {
		p->pids[i] = options->pids[i];
		status = plaintext_attach_process(p, proc, p->pids[i], e);
	}
	if (status < 0) {
		plaintext_close(p);
		p = NULL;
	}
	*out = p;
	return status;
}

json_t *
plaintext_describe(const struct plaintext *p)
{
	const struct plaintext_probes__bss *counts = p->skeleton->bss;
	json_t *pids = json_array();

	for (size_t i = 0; i < p->options.pid_count; i++)
		json_array_append_new(pids, json_integer(p->pids[i]));
	return json_pack("{s:o,s:I,s:I,s:I,s:I}", "processes", pids, "calls",
			 (json_int_t)counts->calls, "lost_bytes",
			 (json_int_t)counts->lost_bytes, "cut_bytes",
			 (json_int_t)counts->cut_bytes, "unknown_bytes",
			 (json_int_t)counts->unknown_bytes);
}

void
plaintext_close(struct plaintext *p)
{
	if (!p)
		return;
	for (uint32_t i = 0; i < p->link_count; i++)
		close(p->links[i]);
	if (p->ring)
		plaintext_dispatch(p);
	ring_buffer__free(p->ring);
	plaintext_probes__destroy(p->skeleton);
	buf_free(&p->output);
	free(p);
}
