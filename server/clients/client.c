/* SPDX-License-Identifier: Apache-2.0 */
#include "server/clients/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "schema/schema.h"

#define TABLE "clients.json"
#define TEXT_LIMIT ((size_t)64 << 10)

json_t *
clients_load(void)
{
	const struct schema_text *text = schema_find(TABLE);
	json_t *root = text ? json_loadb(text->text, text->size, 0, NULL) :
			      NULL;
	json_t *table = json_incref(json_object_get(root, "clients"));

	json_decref(root);
	return table;
}

static bool
is_named(const json_t *client, const char *name)
{
	const json_t *aliases = json_object_get(client, "aliases");
	size_t i;
	json_t *alias;

	if (strcmp(client_text(client, "name"), name) == 0)
		return true;
	json_array_foreach(aliases, i, alias)
		if (strcmp(json_string_value(alias), name) == 0)
			return true;
	return false;
}

const json_t *
client_find(const json_t *table, const char *name)
{
	size_t i;
	json_t *client;

	json_array_foreach(table, i, client)
		if (is_named(client, name))
			return client;
	return NULL;
}

const char *
client_text(const json_t *client, const char *member)
{
	const char *text = json_string_value(json_object_get(client, member));

	return text ? text : "";
}

/* "~" at the start is $HOME. */
static int
append_path(struct buf *out, const char *path, size_t size, struct error *e)
{
	const char *home = getenv("HOME");

	if (size > 0 && path[0] == '~') {
		if (!home || home[0] != '/')
			return error_set(e, ERR_NOTFOUND,
					 "$HOME is not set; name the file "
					 "with --file");
		buf_text(out, home);
		path++;
		size--;
	}
	buf_append(out, path, size);
	return 0;
}

/* "${NAME:-DEFAULT}/rest" or "~/rest", as in schema/clients.json. */
static int
expand_path(const char *pattern, struct buf *out, struct error *e)
{
	const char *middle = strstr(pattern, ":-");
	const char *end = strchr(pattern, '}');
	const char *value;
	char *name;
	int rc;

	if (strncmp(pattern, "${", 2) != 0 || !middle || !end)
		return append_path(out, pattern, strlen(pattern), e);
	name = alloc_string_n(pattern + 2, (size_t)(middle - pattern) - 2);
	value = getenv(name);
	free(name);
	if (value && value[0] == '/') {
		buf_text(out, value);
	} else {
		rc = append_path(out, middle + 2, (size_t)(end - middle) - 2,
				 e);
		if (rc < 0)
			return rc;
	}
	buf_text(out, end + 1);
	return 0;
}

int
client_file(const json_t *client, const char *project, char **path,
	    struct error *e)
{
	const char *below = client_text(client, "project");
	struct buf out;
	int rc = 0;

	if (project && !*below)
		return error_set(e, ERR_UNSUPPORTED,
				 "%s reads no file in projects; leave out "
				 "--project", client_text(client, "title"));
	if (project) {
		*path = alloc_format("%s/%s", project, below);
		return 0;
	}
	buf_init(&out, TEXT_LIMIT);
	rc = expand_path(client_text(client, "file"), &out, e);
	if (rc == 0)
		*path = alloc_string(buf_cstr(&out));
	buf_free(&out);
	return rc;
}

/* `text` with each placeholder replaced. */
static json_t *
fill_text(const char *text, const struct client_server *server)
{
	const char *const names[] = { "{command}", "{url}", "{token}" };
	const char *const values[] = { server->command, server->url,
				       server->token };
	struct buf out;
	json_t *filled;

	buf_init(&out, TEXT_LIMIT);
	while (*text) {
		size_t i = 0;

		while (i < 3 && strncmp(text, names[i], strlen(names[i])) != 0)
			i++;
		if (i < 3 && values[i]) {
			buf_text(&out, values[i]);
			text += strlen(names[i]);
		} else {
			buf_u8(&out, (uint8_t)*text++);
		}
	}
	filled = json_string(buf_cstr(&out));
	buf_free(&out);
	return filled;
}

static json_t *
fill_plain(const json_t *value, const struct client_server *server)
{
	const char *text = json_string_value(value);

	if (!text)
		return json_deep_copy(value);
	if (strcmp(text, "{args}") == 0)
		return json_deep_copy(server->args);
	return fill_text(text, server);
}

/* A template is at most an object of objects or arrays of texts. */
static json_t *
fill_inner(const json_t *value, const struct client_server *server)
{
	json_t *filled, *item;
	const char *key;
	size_t i;

	if (json_is_array(value)) {
		filled = json_array();
		json_array_foreach(value, i, item)
			json_array_append_new(filled,
					      fill_plain(item, server));
		return filled;
	}
	if (!json_is_object(value))
		return fill_plain(value, server);
	filled = json_object();
	json_object_foreach((json_t *)(uintptr_t)value, key, item)
		json_object_set_new(filled, key, fill_plain(item, server));
	return filled;
}

json_t *
client_entry(const json_t *client, const struct client_server *server)
{
	const char *kind = !server->url  ? "stdio" :
			   server->token ? "http_token" :
					   "http";
	json_t *entry = json_object();
	json_t *value;
	const char *key;

	json_object_foreach(json_object_get(client, kind), key, value)
		json_object_set_new(entry, key, fill_inner(value, server));
	return entry;
}
