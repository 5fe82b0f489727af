/* SPDX-License-Identifier: Apache-2.0 */
#include "server/cli/install_options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/text.h"
#include "server/cli/options.h"

#define NAME "aftertap"
#define NAME_MAX_SIZE 64

/* What `parse_word` understands, for people. */
static const struct {
	const char *option, *description;
} known[] = {
	{ "--dry-run", "Show what would change, change nothing" },
	{ "--remove", "Take aftertap out of the client's configuration" },
	{ "--list", "List the clients and where aftertap is installed" },
	{ "--http", "URL of a running server instead of starting one" },
	{ "--token-env", "Environment variable with the bearer token" },
	{ "--db", "Database meant when a call names none" },
	{ "--allow-path", "Directory to import from and export to" },
	{ "--allow-reveal", "Let agents ask for credentials" },
	{ "--jobs-outlive", "Dissections go on when the client leaves" },
	{ "--project", "Write the file of the project in this directory" },
	{ "--file", "Write this file" },
	{ "--name", "Name of the entry, aftertap by default" },
	{ "--command", "Program to start, this one by default" },
};

void
install_options_each(const struct command *command,
		     void (*visit)(const struct command *, const char *option,
				   const char *description))
{
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		visit(command, known[i].option, known[i].description);
}

static void
add_argument(struct install_options *o, const char *word)
{
	json_array_append_new(o->args, json_string(word));
}

/* The client starts the server elsewhere, so the path must be whole. */
static int
add_path(struct install_options *o, const char *path)
{
	char *resolved = realpath(path, NULL);

	if (!resolved)
		return cli_fail(EXIT_USAGE, "--allow-path %s: %s", path,
				strerror(errno));
	add_argument(o, "--allow-path");
	add_argument(o, resolved);
	free(resolved);
	return EXIT_DONE;
}

/* A name that all clients take, and that is a bare key in TOML. */
static int
set_name(struct install_options *o, const char *name)
{
	size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_-");

	if (size == 0 || size > NAME_MAX_SIZE || name[size])
		return cli_fail(EXIT_USAGE, "--name takes up to %d letters, "
				"digits, \"-\" and \"_\"", NAME_MAX_SIZE);
	o->name = name;
	return EXIT_DONE;
}

static int
set_token(struct install_options *o, const char *name)
{
	size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				   "0123456789_");

	if (size == 0 || name[size] || (name[0] >= '0' && name[0] <= '9'))
		return cli_fail(EXIT_USAGE, "--token-env takes the name of an "
				"environment variable; the token itself does "
				"not belong in a configuration file");
	o->token = name;
	return EXIT_DONE;
}

static int
set_client(struct install_options *o, const char *name)
{
	const char *names[32] = { NULL };
	const char *nearest;
	size_t i;
	json_t *client;

	if (o->client)
		return cli_fail(EXIT_USAGE, "one client at a time");
	o->client = client_find(o->table, name);
	if (o->client)
		return EXIT_DONE;
	json_array_foreach(o->table, i, client)
		names[i] = client_text(client, "name");
	nearest = text_nearest(name, names);
	return cli_fail(EXIT_USAGE, "there is no client \"%s\"%s%s%s; "
			"\"aftertap install --list\" lists them", name,
			nearest ? "; did you mean \"" : "",
			nearest ? nearest : "", nearest ? "\"?" : "");
}

static bool
parse_flag(struct install_options *o, struct options *options)
{
	if (options_flag(options, "--dry-run"))
		o->dry_run = true;
	else if (options_flag(options, "--remove"))
		o->remove = true;
	else if (options_flag(options, "--list"))
		o->list = true;
	else if (options_flag(options, "--allow-reveal") ||
		 options_flag(options, "--jobs-outlive"))
		add_argument(o, options_word(options));
	else
		return false;
	return true;
}

/* *url is borrowed here, and owned after finish_url. */
static int
parse_word(struct install_options *o, struct options *options,
	   const char **url)
{
	const char *value;

	if (parse_flag(o, options))
		return EXIT_DONE;
	if ((value = options_value(options, "--allow-path")))
		return add_path(o, value);
	if ((value = options_value(options, "--name")))
		return set_name(o, value);
	if ((value = options_value(options, "--token-env")))
		return set_token(o, value);
	if ((value = options_value(options, "--http")))
		*url = value;
	else if ((value = options_value(options, "--file")))
		o->file = value;
	else if ((value = options_value(options, "--project")))
		o->project = value;
	else if ((value = options_value(options, "--command")))
		o->command = value;
	else if (options_is_word(options))
		return set_client(o, options_word(options));
	else
		return options_unknown(options, "install");
	return EXIT_DONE;
}

/* Letters, digits and what else RFC 3986 has in URLs, so that no client and no
 * shell sees anything else in it. */
static bool
is_url(const char *url)
{
	const char *host = strstr(url, "://");

	return (strncmp(url, "http://", 7) == 0 ||
		strncmp(url, "https://", 8) == 0) &&
	       host[3] &&
	       url[strspn(url, "abcdefghijklmnopqrstuvwxyz"
			       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			       "-._~:/?#[]@!$&()*+,;=%")] == '\0';
}

static bool
is_db(const char *db)
{
	const char *slash = strchr(db, '/');
	char *snapshot;
	bool fine;

	if (!slash)
		return false;
	snapshot = alloc_string_n(db, (size_t)(slash - db));
	fine = text_is_name(snapshot) && text_is_name(slash + 1);
	free(snapshot);
	return fine;
}

static int
finish_url(struct install_options *o, const struct cli *cli, const char *url)
{
	if (!is_url(url))
		return cli_fail(EXIT_USAGE, "--http takes a URL such as "
				"http://127.0.0.1:8077/mcp");
	if (json_array_size(o->args) > 0)
		return cli_fail(EXIT_USAGE, "with --http, --allow-path and "
				"its like are options of the server itself");
	o->url = cli->db ? alloc_format("%s%cdb=%s", url,
					strchr(url, '?') ? '&' : '?',
					cli->db) :
			   alloc_string(url);
	return EXIT_DONE;
}

/* serve, where state lives unless the child finds that by itself, the rest. */
static void
finish_args(struct install_options *o, const struct cli *cli)
{
	json_t *rest = o->args;

	o->args = json_pack("[s]", "serve");
	if (cli->home_given) {
		add_argument(o, "--home");
		add_argument(o, cli->home);
	}
	if (cli->db) {
		add_argument(o, "--db");
		add_argument(o, cli->db);
	}
	json_array_extend(o->args, rest);
	json_decref(rest);
}

int
install_options_parse(struct install_options *o, const struct cli *cli,
		      int argc, char **argv)
{
	struct options options = options_make(argc, argv);
	const char *url = NULL;

	*o = (struct install_options){ .name = NAME };
	o->table = clients_load();
	o->args = json_array();
	if (!o->table)
		return cli_fail(EXIT_FAILED, "the table of clients is damaged");
	while (options_next(&options)) {
		int status = parse_word(o, &options, &url);

		if (status != EXIT_DONE)
			return status;
	}
	if (cli->db && !is_db(cli->db))
		return cli_fail(EXIT_USAGE, "--db takes SNAPSHOT/DISSECTION");
	if (o->token && !url)
		return cli_fail(EXIT_USAGE, "--token-env goes with --http");
	if (url)
		return finish_url(o, cli, url);
	finish_args(o, cli);
	return EXIT_DONE;
}

void
install_options_free(struct install_options *o)
{
	json_decref(o->table);
	json_decref(o->args);
	free(o->url);
}

json_t *
install_options_entry(const struct install_options *o, const struct cli *cli)
{
	const struct client_server server = {
		.command = o->command ? o->command : cli->program,
		.args = o->args,
		.url = o->url,
		.token = o->token,
	};

	return client_entry(o->client, &server);
}
