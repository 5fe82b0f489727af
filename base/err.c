/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Both tables are indexed by -code: the codes count down without a gap. */
static const char *const err_texts[] = { [0] = "success",
#define X(name, code, text) [-(code)] = (text),
					 ERR_MAP(X)
#undef X
};

static const char *const err_names[] = {
	[-ERR_OK] = "ok",
	[-ERR_INVALID] = "invalid",
	[-ERR_NOTFOUND] = "notfound",
	[-ERR_EXISTS] = "exists",
	[-ERR_LIMIT] = "limit",
	[-ERR_CORRUPT] = "corrupt",
	[-ERR_TRUNCATED] = "truncated",
	[-ERR_IO] = "io",
	[-ERR_NOSPACE] = "nospace",
	[-ERR_DENIED] = "denied",
	[-ERR_BUSY] = "busy",
	[-ERR_CANCELLED] = "cancelled",
	[-ERR_TIMEOUT] = "timeout",
	[-ERR_UNSUPPORTED] = "unsupported",
	[-ERR_EMPTY] = "empty",
	[-ERR_STATE] = "state",
	[-ERR_INTERNAL] = "internal",
};

_Static_assert(ARRAY_SIZE(err_names) == ARRAY_SIZE(err_texts),
	       "every code has a name");

const char *
err_text(int code)
{
	if (code > 0 || code <= -(int)ARRAY_SIZE(err_texts))
		return "unknown error";
	return err_texts[-code];
}

const char *
err_name(int code)
{
	if (code > 0 || code <= -(int)ARRAY_SIZE(err_names))
		return "unknown";
	return err_names[-code];
}

int
error_set(struct error *e, int code, const char *format, ...)
{
	va_list arguments;

	if (!e)
		return code;
	e->code = code;
	va_start(arguments, format);
	if (vsnprintf(e->text, sizeof(e->text), format, arguments) < 0)
		e->text[0] = '\0';
	va_end(arguments);
	return code;
}

static int
err_of_errno(int errno_value)
{
	switch (errno_value) {
	case ENOENT:
		return ERR_NOTFOUND;
	case EEXIST:
	case ENOTEMPTY:
		return ERR_EXISTS;
	case ENOSPC:
	case EDQUOT:
		return ERR_NOSPACE;
	case EACCES:
	case EPERM:
	case EROFS:
		return ERR_DENIED;
	default:
		return ERR_IO;
	}
}

int
error_set_errno(struct error *e, int errno_value, const char *format, ...)
{
	int code = err_of_errno(errno_value);
	const char *reason;
	va_list arguments;
	size_t size;

	if (!e)
		return code;
	e->code = code;
	va_start(arguments, format);
	if (vsnprintf(e->text, sizeof(e->text), format, arguments) < 0)
		e->text[0] = '\0';
	va_end(arguments);
	size = strlen(e->text);
	/* Unlike strerror(3), no shared buffer and no locale. */
	reason = strerrordesc_np(errno_value);
	snprintf(e->text + size, sizeof(e->text) - size, ": %s",
		 reason ? reason : "unknown error");
	return code;
}
