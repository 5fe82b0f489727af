/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/clients/client.h"

static void
test_table(void **state)
{
	json_t *table = clients_load();

	(void)state;
	assert_int_equal(json_array_size(table), 8);
	assert_ptr_equal(client_find(table, "claude"),
			 client_find(table, "claude-code"));
	assert_null(client_find(table, "nobody"));
	json_decref(table);
}

static void
expect_file(const char *name, const char *project, const char *expected)
{
	json_t *table = clients_load();
	char *path = NULL;

	assert_int_equal(client_file(client_find(table, name), project, &path,
				     NULL), 0);
	assert_string_equal(path, expected);
	free(path);
	json_decref(table);
}

static void
test_files(void **state)
{
	json_t *table = clients_load();
	char *path = NULL;

	(void)state;
	setenv("HOME", "/h", 1);
	unsetenv("XDG_CONFIG_HOME");
	unsetenv("CODEX_HOME");
	expect_file("zed", NULL, "/h/.config/zed/settings.json");
	expect_file("codex", NULL, "/h/.codex/config.toml");
	expect_file("cursor", "/p", "/p/.cursor/mcp.json");
	setenv("XDG_CONFIG_HOME", "/x", 1);
	setenv("CODEX_HOME", "not/absolute", 1);
	expect_file("zed", NULL, "/x/zed/settings.json");
	expect_file("codex", NULL, "/h/.codex/config.toml");
	assert_int_equal(client_file(client_find(table, "windsurf"), "/p",
				     &path, NULL), ERR_UNSUPPORTED);
	unsetenv("HOME");
	assert_int_equal(client_file(client_find(table, "cursor"), NULL,
				     &path, NULL), ERR_NOTFOUND);
	json_decref(table);
}

static void
expect_entry(const char *name, const struct client_server *server,
	     const char *expected)
{
	json_t *table = clients_load();
	json_t *entry = client_entry(client_find(table, name), server);
	char *text = json_dumps(entry, JSON_COMPACT);

	assert_string_equal(text, expected);
	free(text);
	json_decref(entry);
	json_decref(table);
}

static void
test_entries(void **state)
{
	json_t *args = json_pack("[s,s]", "serve", "{url}");
	const struct client_server stdio = { "/b/{args}", args, NULL, NULL };
	const struct client_server http = { NULL, args, "http://u/mcp", "T" };

	(void)state;
	expect_entry("cursor", &stdio,
		     "{\"command\":\"/b/{args}\",\"args\":[\"serve\","
		     "\"{url}\"]}");
	expect_entry("claude-code", &http,
		     "{\"type\":\"http\",\"url\":\"http://u/mcp\","
		     "\"headers\":{\"Authorization\":\"Bearer ${T}\"}}");
	expect_entry("vscode", &http,
		     "{\"type\":\"http\",\"url\":\"http://u/mcp\","
		     "\"headers\":{\"Authorization\":\"Bearer ${env:T}\"}}");
	expect_entry("codex", &http,
		     "{\"url\":\"http://u/mcp\","
		     "\"bearer_token_env_var\":\"T\"}");
	json_decref(args);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_entries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
