/* SPDX-License-Identifier: Apache-2.0 */
/* Processes as rows, and which row the end of a connection means. */
#include "dissect/store/writer.h"

struct process_key {
	uint64_t id;
	uint64_t stream;
};

_Static_assert(sizeof(struct process_key) == WRITER_PROCESS_KEY, "hashed");

int64_t
writer_process(const struct store_writer *w, const struct connection_end *end)
{
	const struct process_key key = { end->process, end->stream };
	const int64_t *row = end->mechanism == END_UNKNOWN
				     ? NULL
				     : map_get(w->processes, &key);

	return row ? *row : 0;
}

/* The row of a process, made up when it is new; 0 when there are too many. */
static int64_t
process_row(struct store_writer *w, const struct process_event *event)
{
	const struct process_key key = { event->process.id, event->stream };
	int64_t *row = map_put(w->processes, &key, NULL);

	if (row && *row == 0)
		*row = -(int64_t)map_count(w->processes);
	return row ? *row : 0;
}

/* Numbers that are only compared keep their bits. */
static void
bind_numbers(sqlite3_stmt *s, int64_t row, const struct identity_process *p)
{
	int64_t uid = p->uid == UINT32_MAX ? -1 : (int64_t)p->uid;
	const int64_t values[] = {
		row,        p->pid,    p->parent,          uid,
		p->from_ns, p->to_ns, (int64_t)p->cgroup, (int64_t)p->netns,
	};

	for (int i = 0; i < (int)(sizeof(values) / sizeof(*values)); i++)
		sqlite3_bind_int64(s, i + 1, values[i]);
}

int
store_writer_process(struct store_writer *w, const struct process_event *event)
{
	const struct identity_process *p = &event->process;
	const struct bytes texts[] = {
		p->name, p->executable, p->cgroup_path, p->container, p->pod,
		p->pod_namespace, p->pod_uid, p->pod_container,
		p->kubernetes_mechanism,
	};
	sqlite3_stmt *s = w->statements[WRITER_PROCESS];
	int64_t row;

	if (p->from_ns < 0 || p->to_ns < 0)
		return writer_fail(w, ERR_CORRUPT, "an impossible process");
	if (writer_begin(w))
		return w->error.code;
	row = process_row(w, event);
	if (row == 0)
		return 0;
	bind_numbers(s, row, p);
	for (int i = 0; i < (int)(sizeof(texts) / sizeof(*texts)); i++) {
		struct bytes text = writer_text(w, texts[i]);

		sqlite3_bind_text(s, i + 9,
				  text.size ? (const char *)text.data : "",
				  (int)text.size, SQLITE_TRANSIENT);
	}
	return writer_step(w, WRITER_PROCESS);
}
