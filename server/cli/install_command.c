/* SPDX-License-Identifier: Apache-2.0 */
/* aftertap install: aftertap's entry in the configuration of an MCP client.
 * aftertap mcp-config: the same entry, to paste. */
#include "server/cli/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "server/cli/install_options.h"
#include "server/clients/config_file.h"
#include "server/clients/json_edit.h"
#include "server/clients/line_diff.h"
#include "server/clients/toml_edit.h"

/* What an entry of ours may have; other keys of it are the user's. */
static const char *const entry_keys[] = {
	"type",	   "command",   "args", "url", "httpUrl", "serverUrl",
	"headers", "bearer_token_env_var", NULL,
};

static bool
is_toml(const json_t *client)
{
	return strcmp(client_text(client, "format"), "toml") == 0;
}

static struct json_edit
json_place(const json_t *client, const char *name)
{
	return (struct json_edit){
		.object = client_text(client, "servers"),
		.member = name,
		.comments = strcmp(client_text(client, "format"), "jsonc") == 0,
	};
}

static struct toml_edit
toml_place(const json_t *client, const char *name)
{
	return (struct toml_edit){ client_text(client, "servers"), name,
				   entry_keys };
}

/* Adds to `entry` what the user wrote into the old one. */
static void
keep_users_keys(json_t *entry, struct bytes old_text)
{
	json_t *old = json_loadb((const char *)old_text.data, old_text.size,
				 0, NULL);

	for (const char *const *key = entry_keys; *key; key++)
		json_object_del(old, *key);
	json_object_update_missing(entry, old);
	json_decref(old);
}

/* The text with the entry set, or removed when `entry` is NULL. */
static int
change(const struct install_options *o, struct bytes text, json_t *entry,
       struct buf *out, struct error *e)
{
	struct json_edit json = json_place(o->client, o->name);
	struct toml_edit toml = toml_place(o->client, o->name);
	struct bytes old;
	int rc;

	if (is_toml(o->client))
		return toml_edit_set(text, &toml, entry, out, e);
	rc = json_edit_get(text, &json, &old, e);
	if (rc == 0 && entry && old.size > 0)
		keep_users_keys(entry, old);
	return rc < 0 ? rc : json_edit_set(text, &json, entry, out, e);
}

static void
say_written(const struct install_options *o, const char *path,
	    const char *backup)
{
	printf("%s: %s %s %s\n", client_text(o->client, "title"), o->name,
	       o->remove ? "removed from" : "written to", path);
	if (backup)
		printf("What was there before: %s\n", backup);
	if (o->token)
		printf("The token is read from $%s, which %s must have in "
		       "its environment.\n", o->token,
		       client_text(o->client, "title"));
	if (!o->remove)
		printf("Next: %s.\n", client_text(o->client, "then"));
}

static int
put(const struct cli *cli, const struct install_options *o,
    struct config_file *file, struct buf *out, struct error *e)
{
	struct buf diff;
	char *backup;
	int rc = 0;

	if (bytes_equal(buf_view(&file->text), buf_view(out))) {
		if (!cli->quiet)
			printf("%s: nothing to change in %s\n",
			       client_text(o->client, "title"), file->path);
		return 0;
	}
	if (o->dry_run) {
		buf_init(&diff, 3 * CONFIG_FILE_LIMIT);
		line_diff(buf_view(&file->text), buf_view(out), file->path,
			  &diff);
		fwrite(diff.data, 1, diff.size, stdout);
		buf_free(&diff);
		return 0;
	}
	rc = config_file_write(file, buf_view(out), &backup, e);
	if (rc == 0 && !cli->quiet)
		say_written(o, file->path, backup);
	free(backup);
	return rc;
}

static int
edit(const struct cli *cli, const struct install_options *o, const char *path,
     struct error *e)
{
	json_t *entry = o->remove ? NULL : install_options_entry(o, cli);
	struct error why = { 0 };
	struct config_file file;
	struct buf out;
	int rc;

	buf_init(&out, CONFIG_FILE_LIMIT);
	rc = config_file_read(&file, path, e);
	if (rc == 0) {
		rc = change(o, buf_view(&file.text), entry, &out, &why);
		if (rc < 0)
			error_set(e, rc, "\"%s\" is left alone: %s", path,
				  why.text);
	}
	if (rc == 0)
		rc = put(cli, o, &file, &out, e);
	config_file_free(&file);
	buf_free(&out);
	json_decref(entry);
	return rc;
}

static int
find_path(const struct install_options *o, const json_t *client, char **path,
	  struct error *e)
{
	if (o->file) {
		*path = strdup(o->file);
		return 0;
	}
	return client_file(client, o->project, path, e);
}

/* "stdio", "http", "no", or "unknown" with the reason in `e`. */
static const char *
state_json(const json_t *client, const char *name, struct bytes text,
	   struct error *e)
{
	struct json_edit place = json_place(client, name);
	struct bytes value;
	json_t *entry;
	bool http;

	if (json_edit_get(text, &place, &value, e) < 0)
		return "unknown";
	if (value.size == 0)
		return "no";
	entry = json_loadb((const char *)value.data, value.size, 0, NULL);
	http = json_object_get(entry, "url") ||
	       json_object_get(entry, "httpUrl") ||
	       json_object_get(entry, "serverUrl");
	json_decref(entry);
	return http ? "http" : "stdio";
}

static const char *
state_toml(const json_t *client, const char *name, struct bytes text,
	   struct error *e)
{
	struct toml_edit place = toml_place(client, name);
	bool table, url;

	if (toml_edit_get(text, &place, "url", &table, &url, e) < 0)
		return "unknown";
	return !table ? "no" : url ? "http" : "stdio";
}

static json_t *
describe(const struct install_options *o, const json_t *client)
{
	struct error e = { 0 };
	struct config_file file = { 0 };
	const char *state = "unknown";
	char *path = NULL;
	json_t *row;

	if (find_path(o, client, &path, &e) == 0 &&
	    config_file_read(&file, path, &e) == 0)
		state = (is_toml(client) ? state_toml : state_json)(
			client, o->name, buf_view(&file.text), &e);
	row = json_pack("{s:s,s:s,s:s,s:s}", "client",
			client_text(client, "name"), "title",
			client_text(client, "title"), "file",
			path ? path : "", "installed", state);
	if (e.text[0])
		json_object_set_new(row, "error", json_string(e.text));
	config_file_free(&file);
	free(path);
	return row;
}

static void
print_row(const json_t *row)
{
	const char *error = json_string_value(json_object_get(row, "error"));

	printf("%-15s %-9s %s%s%s%s\n", client_text(row, "client"),
	       client_text(row, "installed"), client_text(row, "file"),
	       error ? " (" : "", error ? error : "", error ? ")" : "");
}

static int
list(const struct cli *cli, const struct install_options *o)
{
	json_t *rows = json_array();
	json_t *item;
	size_t i;

	json_array_foreach(o->table, i, item)
		json_array_append_new(rows, describe(o, item));
	if (cli->json) {
		json_dumpf(rows, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		printf("%-15s %-9s %s\n", "client", "installed", "file");
		json_array_foreach(rows, i, item)
			print_row(item);
	}
	json_decref(rows);
	return EXIT_DONE;
}

static int
no_client(const char *command)
{
	return cli_fail(EXIT_USAGE, "for which client? \"aftertap install "
			"--list\" lists them; see \"aftertap help %s\"",
			command);
}

static int
install(const struct cli *cli, const struct install_options *o)
{
	struct error error = { 0 };
	char *path = NULL;
	int rc;

	if (o->list)
		return list(cli, o);
	if (!o->client)
		return no_client("install");
	rc = find_path(o, o->client, &path, &error);
	if (rc == 0)
		rc = edit(cli, o, path, &error);
	free(path);
	return rc < 0 ? cli_fail(EXIT_FAILED, "%s", error.text) : EXIT_DONE;
}

static int
print(const struct cli *cli, const struct install_options *o)
{
	json_t *entry;
	struct error error = { 0 };
	struct buf out;
	char *path = NULL;

	if (!o->client)
		return no_client("mcp-config");
	entry = install_options_entry(o, cli);
	buf_init(&out, CONFIG_FILE_LIMIT);
	if (change(o, bytes_of(""), entry, &out, &error) == 0)
		fwrite(out.data, 1, out.size, stdout);
	if (!cli->quiet && find_path(o, o->client, &path, &error) == 0)
		fprintf(stderr, "# for %s; \"aftertap install %s\" puts it "
			"there\n", path, client_text(o->client, "name"));
	free(path);
	buf_free(&out);
	json_decref(entry);
	return EXIT_DONE;
}

static int
with_options(const struct cli *cli, int argc, char **argv,
	     int (*run)(const struct cli *, const struct install_options *))
{
	struct install_options o;
	int status = install_options_parse(&o, cli, argc, argv);

	if (status == EXIT_DONE)
		status = run(cli, &o);
	install_options_free(&o);
	return status;
}

int
command_install(const struct cli *cli, int argc, char **argv)
{
	return with_options(cli, argc, argv, install);
}

int
command_mcp_config(const struct cli *cli, int argc, char **argv)
{
	return with_options(cli, argc, argv, print);
}
