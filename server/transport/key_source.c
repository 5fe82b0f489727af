/* SPDX-License-Identifier: Apache-2.0 */
#include "server/transport/key_source.h"

#include <signal.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "server/transport/jwks.h"

/* Of http only what does not leave the machine: keys that somebody on the way
 * can replace are no keys. */
static bool
is_local(const char *url)
{
	static const char *const hosts[] = { "http://127.0.0.1", "http://[::1]",
					     "http://localhost" };

	for (size_t i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		size_t size = strlen(hosts[i]);

		if (strncmp(url, hosts[i], size) == 0 &&
		    (url[size] == ':' || url[size] == '/') && !strchr(url, '@'))
			return true;
	}
	return false;
}

static bool
is_file(const struct key_source *s)
{
	return !strstr(s->from, "://");
}

int
key_source_init(struct key_source *s, uv_loop_t *loop, const char *from,
		struct error *e)
{
	*s = (struct key_source){ .loop = loop, .from = from };
	buf_init(&s->text, JWKS_MAX_BYTES);
	if (is_file(s))
		return 0;
	if (strncmp(from, "https://", 8) == 0 || is_local(from))
		/* Told now, not when the first token comes. */
		return file_in_path("curl")
			       ? 0
			       : error_set(e, ERR_INVALID,
					   "keys of an URL are fetched by "
					   "curl, which is not in PATH");
	return error_set(e, ERR_INVALID,
			 "keys come from a file, from https, or from http on "
			 "this machine");
}

bool
key_source_is_busy(const struct key_source *s)
{
	return s->open > 0;
}

bool
key_source_may_fetch(const struct key_source *s, int64_t now_ns)
{
	return s->open == 0 && !s->closing &&
	       (s->began_ns == 0 ||
		now_ns - s->began_ns > KEY_SOURCE_PAUSE_S * CLOCK_NS_PER_S);
}

static void
report(struct key_source *s)
{
	struct bytes text = buf_view(&s->text);

	s->failed = s->failed || s->text.failed || text.size == 0;
	if (!s->closing)
		s->done(s->context, s->failed ? NULL : &text);
	buf_free(&s->text);
}

static void
on_closed(uv_handle_t *handle)
{
	struct key_source *s = handle->data;

	if (--s->open == 0)
		report(s);
}

static void
on_end(uv_process_t *process, int64_t status, int signal)
{
	struct key_source *s = process->data;

	s->failed = s->failed || status != 0 || signal != 0;
	uv_close((uv_handle_t *)process, on_closed);
}

static void
give_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct key_source *s = handle->data;

	(void)suggested;
	*buf = uv_buf_init(s->chunk, sizeof(s->chunk));
}

static void
on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct key_source *s = stream->data;

	if (n > 0)
		buf_append(&s->text, buf->base, (size_t)n);
	if (n < 0 && !uv_is_closing((uv_handle_t *)stream))
		uv_close((uv_handle_t *)stream, on_closed);
	/* One that has ended may have left its number to another. */
	if (s->text.failed && !uv_is_closing((uv_handle_t *)&s->process))
		uv_process_kill(&s->process, SIGKILL);
}

/* No redirects, no settings of a person, nothing endless. */
static int
spawn(struct key_source *s)
{
	const char *const arguments[] = { "curl",
					  "-q",
					  "--silent",
					  "--fail",
					  "--max-time",
					  "10",
					  "--max-redirs",
					  "0",
					  "--max-filesize",
					  "65536",
					  "--proto",
					  "=http,https",
					  "--header",
					  "Accept: application/json",
					  "--url",
					  s->from,
					  NULL };
	uv_stdio_container_t files[3] = {
		{ .flags = UV_IGNORE },
		{ .flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE,
		  .data.stream = (uv_stream_t *)&s->output },
		{ .flags = UV_IGNORE },
	};
	const uv_process_options_t options = {
		.exit_cb = on_end,
		.file = arguments[0],
		.args = (char **)(uintptr_t)arguments,
		.stdio_count = 3,
		.stdio = files,
	};

	return uv_spawn(s->loop, &s->process, &options);
}

static void
fetch_url(struct key_source *s)
{
	uv_pipe_init(s->loop, &s->output, 0);
	s->output.data = s->process.data = s;
	s->open = 2;
	if (spawn(s) != 0) {
		s->failed = true;
		uv_close((uv_handle_t *)&s->process, on_closed);
		uv_close((uv_handle_t *)&s->output, on_closed);
		return;
	}
	uv_read_start((uv_stream_t *)&s->output, give_buffer, on_read);
}

void
key_source_fetch(struct key_source *s, int64_t now_ns)
{
	s->began_ns = now_ns;
	s->failed = false;
	buf_reset(&s->text);
	if (!is_file(s)) {
		fetch_url(s);
		return;
	}
	s->failed = file_read(s->from, &s->text, NULL) < 0;
	report(s);
}

void
key_source_close(struct key_source *s)
{
	s->closing = true;
	if (s->open == 0) {
		buf_free(&s->text);
		return;
	}
	if (!uv_is_closing((uv_handle_t *)&s->output))
		uv_close((uv_handle_t *)&s->output, on_closed);
	if (!uv_is_closing((uv_handle_t *)&s->process)) {
		uv_process_kill(&s->process, SIGKILL);
		uv_close((uv_handle_t *)&s->process, on_closed);
	}
}
