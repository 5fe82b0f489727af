/* SPDX-License-Identifier: Apache-2.0 */
/* aftertap serve: the MCP server, on standard input and output or over HTTP. */
#include "server/cli/command.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "server/cli/options.h"
#include "server/cli/serve_counts.h"
#include "server/resources/content.h"
#include "server/serve.h"
#include "server/serve_options.h"
#include "server/transport/http_server.h"

#define TOKENS_VARIABLE "AFTERTAP_TOKENS"

/* All that the command line says. */
struct wish {
	struct serve_options serve;
	struct tool_config config;
	struct http_options http; /* `address` NULL: standard input and output */
	const char **paths;       /* owned; config.allowed_paths */
	const char *token_file;
};

/* An allowed directory: absolute, resolved, existing. */
static int
add_allowed_path(struct wish *w, const char *path)
{
	char *resolved = realpath(path, NULL);

	if (!resolved)
		return cli_fail(EXIT_USAGE, "--allow-path %s: %s", path,
				strerror(errno));
	w->paths[w->config.allowed_path_count++] = resolved;
	return EXIT_DONE;
}

static int
take_count(const char *option, const char *value, uint64_t most,
	   uint64_t *count)
{
	if (text_u64(bytes_of(value), count) && *count > 0 && *count <= most)
		return EXIT_DONE;
	return cli_fail(EXIT_USAGE, "%s takes a number from 1 to %llu", option,
			(unsigned long long)most);
}

/* EXIT_DONE, EXIT_USAGE, or -1: the current word is no limit. */
static int
take_limit(struct http_limits *limits, struct options *o)
{
	const char *value;
	uint64_t count = 0;
	int status;

	if ((value = options_value(o, "--rate"))) {
		status = take_count("--rate", value, 1000000, &count);
		limits->rate = (uint32_t)count;
	} else if ((value = options_value(o, "--max-connections"))) {
		status = take_count("--max-connections", value, 65536, &count);
		limits->connections = count;
	} else if ((value = options_value(o,
					  "--max-connections-per-address"))) {
		status = take_count("--max-connections-per-address", value,
				    65536, &count);
		limits->from_address = (uint32_t)count;
	} else if ((value = options_value(o, "--max-sessions"))) {
		status = take_count("--max-sessions", value, 1000000, &count);
		limits->sessions = count;
	} else {
		return -1;
	}
	return status;
}

static int
take_name(const char *option, const char *value,
	  bool (*add)(struct guard *, const char *), struct guard *guard)
{
	if (add(guard, value))
		return EXIT_DONE;
	return cli_fail(EXIT_USAGE, "%s: more than %d", option, GUARD_MAX);
}

static int
take_http_option(struct wish *w, struct options *o)
{
	struct http_options *http = &w->http;
	const char *value;

	if (options_flag(o, "--behind-proxy"))
		http->behind_proxy = true;
	else if (options_flag(o, "--no-access-log"))
		http->access_log = false;
	else if ((value = options_value(o, "--http")))
		http->address = value;
	else if ((value = options_value(o, "--token-file")))
		w->token_file = value;
	else if ((value = options_value(o, "--tls-cert")))
		http->tls_cert = value;
	else if ((value = options_value(o, "--tls-key")))
		http->tls_key = value;
	else if ((value = options_value(o, "--allow-host")))
		return take_name("--allow-host", value, guard_add_host,
				 &http->guard);
	else if ((value = options_value(o, "--allow-origin")))
		return take_name("--allow-origin", value, guard_add_origin,
				 &http->guard);
	else if ((value = options_value(o, "--oauth-issuer")))
		http->oauth.issuer = value;
	else if ((value = options_value(o, "--oauth-keys")))
		http->oauth.keys = value;
	else if ((value = options_value(o, "--oauth-resource")))
		http->oauth.resource = value;
	else
		return take_limit(&http->limits, o);
	return EXIT_DONE;
}

static int
take_option(struct wish *w, struct options *o)
{
	const char *value;
	int status;

	if (options_flag(o, "--allow-reveal"))
		w->config.allow_reveal = true;
	else if (options_flag(o, "--allow-capture"))
		w->config.allow_capture = true;
	else if (options_flag(o, "--jobs-outlive"))
		w->serve.jobs_outlive = true;
	else if (options_flag(o, "--stdio"))
		w->http.address = NULL; /* the default; said for clarity */
	else if ((value = options_value(o, "--allow-path")))
		return add_allowed_path(w, value);
	else if ((status = take_http_option(w, o)) >= 0)
		return status;
	else
		return options_unknown(o, "serve");
	return EXIT_DONE;
}

/* A half of it would be none: everybody would be let in. */
static int
check_oauth(const struct oauth_options *o)
{
	if (!o->issuer == !o->keys && !o->keys == !o->resource)
		return EXIT_DONE;
	return cli_fail(EXIT_USAGE, "--oauth-issuer, --oauth-keys and "
				    "--oauth-resource go together");
}

/* Tokens come from a file and from the environment, which jobs do not need to
 * inherit. */
static int
take_tokens(struct wish *w)
{
	const char *text = getenv(TOKENS_VARIABLE);
	struct error e = { 0 };

	if (text && tokens_parse(&w->http.tokens, bytes_of(text), &e) < 0)
		return cli_fail(EXIT_USAGE, "%s: %s", TOKENS_VARIABLE, e.text);
	unsetenv(TOKENS_VARIABLE);
	if (w->token_file &&
	    tokens_read(&w->http.tokens, w->token_file, &e) < 0)
		return cli_fail(EXIT_USAGE, "--token-file: %s", e.text);
	if (!w->http.tls_cert != !w->http.tls_key)
		return cli_fail(EXIT_USAGE, "--tls-cert and --tls-key go "
					    "together");
	return check_oauth(&w->http.oauth);
}

static int
run(struct wish *w)
{
	struct mcp_content content;
	struct error error = { 0 };
	int status;

	if (content_load(&content, &error) < 0)
		return cli_fail(EXIT_FAILED, "%s", error.text);
	w->serve.content = &content;
	status = w->http.address ? serve_http(&w->serve, &w->http) :
				   serve_stdio(&w->serve);
	content_free(&content);
	return status;
}

static void
free_wish(struct wish *w)
{
	for (size_t i = 0; i < w->config.allowed_path_count; i++)
		free((void *)(uintptr_t)w->paths[i]);
	free(w->paths);
	free(w);
}

int
command_serve(const struct cli *cli, int argc, char **argv)
{
	struct wish *w = alloc_zero(1, sizeof(*w));
	struct options options = options_make(argc, argv);
	int status = EXIT_DONE;

	w->paths = alloc_zero((size_t)argc + 1, sizeof(*w->paths));
	w->config = cli_tool_config(cli);
	w->config.allowed_paths = w->paths;
	w->config.allowed_path_count = 0;
	w->config.allow_reveal = false;
	w->config.allow_capture = false;
	w->config.whole_answers = false;
	w->serve.config = &w->config;
	w->http.access_log = true;
	w->http.count = serve_counts;
	while (status == EXIT_DONE && options_next(&options))
		status = take_option(w, &options);
	if (status == EXIT_DONE)
		status = take_tokens(w);
	if (status == EXIT_DONE)
		status = run(w);
	free_wish(w);
	return status;
}
