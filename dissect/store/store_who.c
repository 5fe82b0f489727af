/* SPDX-License-Identifier: Apache-2.0 */
/* Who was at the ends of connections, for filters, statistics and rows. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "dissect/store/store_impl.h"

/* Ids beyond are not looked up: a file may claim anything. */
#define CONNECTIONS_MAX (1LL << 26)
#define ADDRESSES_MAX (1LL << 24)
#define PROCESSES_MAX (1LL << 20)
#define SHOWN_IDS 32   /* processes looked at for one endpoint */
#define SHOWN_NAMES 4  /* and names told of them */

struct store_who {
	int32_t (*processes)[2];  /* by connection; numbers, not ids */
	int64_t connection_count;
	uint8_t *named_addresses; /* by id: 1 when it has a DNS name */
	int64_t address_count;
	uint8_t *pods;            /* by process number: 1 when it has a pod */
	int64_t process_count;
};

/* One number of the database; 0 after a failure. */
static int64_t
number_of(struct store *s, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	struct error e;
	int64_t value = 0;

	if (store_prepare(s, sql, &statement, &e) == 0 &&
	    store_step(s, statement, &e) == 1)
		value = sqlite3_column_int64(statement, 0);
	sqlite3_finalize(statement);
	return value;
}

static int64_t
bounded(int64_t value, int64_t most)
{
	return value < 0 ? 0 : value > most ? most : value;
}

static void
take_connection(struct store_who *who, sqlite3_stmt *row)
{
	int64_t id = sqlite3_column_int64(row, 0);

	if (id < 0 || id >= who->connection_count)
		return;
	for (int side = 0; side < 2; side++) {
		int64_t process = -sqlite3_column_int64(row, 1 + side);

		if (process > 0 && process < who->process_count)
			who->processes[id][side] = (int32_t)process;
	}
}

static void
take_address(struct store_who *who, sqlite3_stmt *row)
{
	int64_t id = sqlite3_column_int64(row, 0);

	if (id >= 0 && id < who->address_count)
		who->named_addresses[id] = 1;
}

static void
take_process(struct store_who *who, sqlite3_stmt *row)
{
	int64_t number = -sqlite3_column_int64(row, 0);

	if (number >= 0 && number < who->process_count)
		who->pods[number] = 1;
}

static void
read_rows(struct store *s, struct store_who *who, const char *sql,
	  void (*take)(struct store_who *, sqlite3_stmt *))
{
	sqlite3_stmt *statement = NULL;
	struct error e;

	if (store_prepare(s, sql, &statement, &e) == 0)
		while (store_step(s, statement, &e) == 1)
			take(who, statement);
	sqlite3_finalize(statement);
}

struct store_who *
store_who(struct store *s)
{
	struct store_who *who = s->who;

	if (who)
		return who;
	s->who = who = alloc_zero(1, sizeof(*who));
	who->process_count = 1 - number_of(s, "SELECT min(id) FROM procs");
	who->process_count = bounded(who->process_count, PROCESSES_MAX);
	who->address_count = bounded(
		1 + number_of(s, "SELECT max(id) FROM addresses"),
		ADDRESSES_MAX);
	who->pods = alloc_zero((size_t)who->process_count + 1, 1);
	who->named_addresses = alloc_zero((size_t)who->address_count + 1, 1);
	read_rows(s, who, "SELECT id FROM addresses WHERE name != ''",
		  take_address);
	if (who->process_count <= 1)
		return who; /* nobody is known */
	who->connection_count = bounded(
		1 + number_of(s, "SELECT max(id) FROM conns"), CONNECTIONS_MAX);
	/* Zeroed pages are not there until they are touched. */
	who->processes = alloc_zero((size_t)who->connection_count + 1,
				    sizeof(*who->processes));
	read_rows(s, who, "SELECT id FROM procs WHERE pod != ''",
		  take_process);
	read_rows(s, who,
		  "SELECT id, process_c, process_s FROM conns "
		  "WHERE process_c != 0 OR process_s != 0",
		  take_connection);
	return who;
}

void
store_who_free(struct store_who *who)
{
	if (!who)
		return;
	free(who->processes);
	free(who->named_addresses);
	free(who->pods);
	free(who);
}

int64_t
store_who_process(const struct store_who *who, int64_t connection, int side)
{
	if (connection < 0 || connection >= who->connection_count)
		return 0;
	return -(int64_t)who->processes[connection][side != 0];
}

int64_t
store_who_name(const struct store_who *who, int64_t address,
	       int64_t connection, int side)
{
	int64_t process = store_who_process(who, connection, side);

	if (process != 0 && who->pods[-process])
		return process;
	if (address >= 0 && address < who->address_count &&
	    who->named_addresses[address])
		return address;
	return process;
}

/* ---- as JSON ---- */

/* What is said of a process; the first five are compact. */
static const struct {
	const char *column, *name;
	bool is_number, full;
} facts[] = {
	{ "name", "process", false, false },
	{ "pid", "pid", true, false },
	{ "container", "container", false, false },
	{ "pod", "pod", false, false },
	{ "namespace", "namespace", false, false },
	{ "executable", "executable", false, true },
	{ "uid", "uid", true, true },
	{ "parent", "parent_pid", true, true },
	{ "cgroup", "cgroup", false, true },
	{ "pod_container", "container_name", false, true },
};

#define FACTS (sizeof(facts) / sizeof(*facts))

/* Several names as one text; few are told. */
static void
join_name(json_t *endpoint, const char *name, size_t *names)
{
	const char *before =
		json_string_value(json_object_get(endpoint, "process"));
	char *text;

	if (*names > SHOWN_NAMES)
		return;
	text = alloc_format("%s, %s", before,
			    *names == SHOWN_NAMES ? "…" : name);
	json_object_set_new(endpoint, "process", json_string(text));
	free(text);
	++*names;
}

/* True when `list` ("a, b") has the name. */
static bool
is_joined(const char *list, const char *name)
{
	size_t size = strlen(name);

	for (const char *at = list; (at = strstr(at, name)); at += size ? size : 1)
		if ((at == list || at[-1] == ' ') &&
		    (at[size] == ',' || at[size] == '\0'))
			return true;
	return false;
}

static json_t *
fact_json(sqlite3_stmt *s, size_t i)
{
	int64_t number = sqlite3_column_int64(s, (int)i);
	struct bytes text;

	if (facts[i].is_number)
		return number >= 0 ? json_integer(number) : NULL;
	text = store_column_bytes(s, (int)i);
	return text.size ? store_json_text(text) : NULL;
}

/* The first process sets all; a later one leaves what it shares. */
static void
add_process(json_t *endpoint, sqlite3_stmt *s, enum store_detail detail,
	    size_t *names)
{
	for (size_t i = 0; i < FACTS; i++) {
		json_t *known = json_object_get(endpoint, facts[i].name);
		json_t *fact;

		if (facts[i].full && detail != STORE_FULL)
			continue;
		fact = fact_json(s, i);
		if (*names == 0 && fact)
			json_object_set(endpoint, facts[i].name, fact);
		else if (*names > 0 && i > 0 && !json_equal(known, fact))
			json_object_del(endpoint, facts[i].name);
		else if (*names > 0 && i == 0 && fact && known &&
			 !is_joined(json_string_value(known),
				    json_string_value(fact)))
			join_name(endpoint, json_string_value(fact), names);
		json_decref(fact);
	}
	if (*names == 0)
		*names = 1;
}

/* The statement that asks for the facts of one process, or NULL. */
static sqlite3_stmt *
facts_statement(struct store *s)
{
	struct buf sql;
	struct error e;

	if (s->process_facts)
		return s->process_facts;
	buf_init(&sql, 4096);
	for (size_t i = 0; i < FACTS; i++)
		buf_format(&sql, "%s%s", i ? ", " : "SELECT ", facts[i].column);
	buf_text(&sql, " FROM procs WHERE id = ? AND id != 0");
	(void)store_prepare(s, buf_cstr(&sql), &s->process_facts, &e);
	buf_free(&sql);
	return s->process_facts;
}

static void
add_processes(struct store *s, json_t *endpoint, const char *ids,
	      enum store_detail detail)
{
	sqlite3_stmt *statement;
	struct error e;
	size_t names = 0;
	char *end;

	if (!ids || !*ids || strcmp(ids, "0") == 0)
		return;
	statement = facts_statement(s);
	for (int i = 0; statement && *ids && i < SHOWN_IDS; i++) {
		sqlite3_bind_int64(statement, 1, strtoll(ids, &end, 10));
		if (store_step(s, statement, &e) == 1)
			add_process(endpoint, statement, detail, &names);
		sqlite3_reset(statement);
		ids = *end == ',' ? end + 1 : "";
	}
}

json_t *
store_end(struct store *s, sqlite3_stmt *row,
	  const struct store_end_columns *columns, enum store_detail detail)
{
	json_t *end = store_endpoint(row, columns->ip, columns->name,
				     columns->port);

	add_processes(s, end,
		      (const char *)sqlite3_column_text(row,
							columns->processes),
		      detail);
	return end;
}
