/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Error codes and the one human sentence that goes with them.
 *
 * Every function that can fail returns an int: 0, or one of the negative
 * codes below.  A function whose failure a person or an agent will read takes
 * a `struct error *` as its last parameter; the sentence is added once, where
 * the failure is understood, and says what to do about it.
 *
 * Running out of memory is not in the list: every size that comes from outside
 * is capped before memory is asked for it, so allocation failure is our own
 * bug or a misconfigured limit, and base/alloc.h aborts.
 */
#pragma once

#define ERR_MAP(X)                                                            \
	X(INVALID, -1, "invalid argument")                                    \
	X(NOTFOUND, -2, "not found")                                          \
	X(EXISTS, -3, "already exists")                                       \
	X(LIMIT, -4, "limit exceeded")                                        \
	X(CORRUPT, -5, "malformed data")                                      \
	X(TRUNCATED, -6, "data ends early")                                   \
	X(IO, -7, "input or output failed")                                   \
	X(NOSPACE, -8, "no space left")                                       \
	X(DENIED, -9, "not permitted")                                        \
	X(BUSY, -10, "in use")                                                \
	X(CANCELLED, -11, "cancelled")                                        \
	X(TIMEOUT, -12, "deadline passed")                                    \
	X(UNSUPPORTED, -13, "not supported")                                  \
	X(EMPTY, -14, "nothing there")                                        \
	X(STATE, -15, "not possible in this state")                           \
	X(INTERNAL, -16, "internal error")

enum err {
	ERR_OK = 0,
#define X(name, code, text) ERR_##name = (code),
	ERR_MAP(X)
#undef X
};

#define ERROR_TEXT_SIZE 512

/* A code and its sentence.  Plain value; nothing to free. */
struct error {
	int code;
	char text[ERROR_TEXT_SIZE];
};

/*
 * Fills `e` (NULL is allowed) with a code and a printf-formatted sentence,
 * cut to ERROR_TEXT_SIZE.  Returns `code`, so that a caller can write
 * `return error_set(e, ERR_NOTFOUND, "snapshot \"%s\" does not exist", name);`
 */
int error_set(struct error *e, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * As error_set, with ": " and strerror(errno_value) appended, and the code
 * chosen from errno: ENOENT NOTFOUND, EEXIST/ENOTEMPTY EXISTS, ENOSPC/EDQUOT
 * NOSPACE, EACCES/EPERM/EROFS DENIED, everything else IO.
 */
int error_set_errno(struct error *e, int errno_value, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* The short fixed text of a code; never NULL. */
const char *err_text(int code);

/* The lower-case name of a code ("notfound"); never NULL. */
const char *err_name(int code);
