/* SPDX-License-Identifier: Apache-2.0 */
/* Where a program or library can be asked for TLS secrets. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The BPF programs of capture/bpf/key_probes.bpf.c, in its order. */
enum key_program_kind {
	KEY_PROGRAM_OPENSSL,
	KEY_PROGRAM_OPENSSL_1,
	KEY_PROGRAM_GO,
	KEY_PROGRAM_HKDF,
	KEY_PROGRAM_HKDF_RETURN,
	KEY_PROGRAM_PRF,
	KEY_PROGRAM_BORINGSSL,
	KEY_PROGRAM_BORINGSSL_PRF,
	KEY_PROGRAM_COUNT,
};

#define KEY_HOOKS_MAX 4

struct key_hook_place {
	enum key_program_kind program;
	uint64_t offset; /* in the file */
};

struct key_hooks {
	struct key_hook_place places[KEY_HOOKS_MAX];
	uint32_t count;
	const char *name; /* "OpenSSL 3 EVP_KDF_derive", …; NULL: none */
	const char *why;  /* it speaks TLS but cannot be asked; NULL: it does
			   * not, or that is still to be asked */
};

/*
 * Looks into an open file.  `path` is how it is named where it was found;
 * `is_program`: it is what a process was started from, which is looked at more
 * closely.
 */
struct key_hooks key_hooks_find(int fd, const char *path, bool is_program);

/* Whether it is still to be asked (key_hooks_why) why a file has no hooks. */
bool key_hooks_unasked(const struct key_hooks *hooks, bool is_program);

/* Why an open program cannot be asked, as its read-only data tells, all of
 * which is read: slow.  NULL: it does not speak TLS, as far as can be seen. */
const char *key_hooks_why(int fd);
