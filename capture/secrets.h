/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The TLS secrets of a capture: captures/<capture>/secrets.keys, and in a
 * snapshot secrets/<capture>.keys.  Mode 0600, apart from the packets; they
 * meet only in an export that was asked for with secrets and permitted.
 *
 * The file: the 16 characters "aftertap secrets", u32 LE version 1, u32 LE 0,
 * then frames (base/frame.h) of type 1, appended whole.  A frame's payload,
 * little endian: i64 time (UTC ns), u64 socket cookie, u32 pid, u32 thread,
 * u8 label, u8 hook, u16 local port, u16 remote port, 16 bytes local and 16
 * remote address (IPv4 mapped, zero: unknown), then u8 size and bytes of: the
 * process's name, the client random, the secret.  A reader ignores frames of
 * other types, what follows the fields it knows, and a torn last frame.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "capture/packet_reader.h"

#define SECRET_RANDOM_SIZE 32
#define SECRET_SIZE_MAX 64
#define SECRET_NAME_MAX 16
/* A file grows no further, and no more secrets are read into memory. */
#define SECRETS_FILE_MAX ((uint64_t)256 << 20)
#define SECRETS_MAX 262144u

/* Labels of a key log (draft-ietf-tls-keylogfile). */
#define SECRET_LABEL_MAP(X)                                     \
	X(MASTER, "CLIENT_RANDOM") /* TLS up to 1.2 */          \
	X(CLIENT_EARLY, "CLIENT_EARLY_TRAFFIC_SECRET")          \
	X(CLIENT_HANDSHAKE, "CLIENT_HANDSHAKE_TRAFFIC_SECRET")  \
	X(SERVER_HANDSHAKE, "SERVER_HANDSHAKE_TRAFFIC_SECRET")  \
	X(CLIENT_TRAFFIC, "CLIENT_TRAFFIC_SECRET_0")            \
	X(SERVER_TRAFFIC, "SERVER_TRAFFIC_SECRET_0")

enum secret_label {
#define X(name, text) SECRET_##name,
	SECRET_LABEL_MAP(X)
#undef X
	SECRET_LABEL_COUNT
};

/* Where it was taken. */
enum secret_hook {
	SECRET_HOOK_OPENSSL = 1,
	SECRET_HOOK_GO = 2,
	SECRET_HOOK_GNUTLS = 3,
	SECRET_HOOK_BORINGSSL = 4,
};

struct secret {
	int64_t time_ns;     /* UTC; 0: not known, and so of any time */
	uint64_t cookie;     /* of the thread's last socket; 0: unknown */
	uint32_t pid, thread; /* in the initial pid namespace */
	uint8_t label;       /* enum secret_label */
	uint8_t hook;        /* enum secret_hook */
	/* The ends of that socket; port 0: unknown. */
	uint16_t local_port, remote_port;
	uint8_t local[16], remote[16];
	char name[SECRET_NAME_MAX + 1]; /* comm */
	bool has_random;
	uint8_t random[SECRET_RANDOM_SIZE]; /* of the ClientHello */
	uint8_t size;
	uint8_t value[SECRET_SIZE_MAX];
};

/* The label as it stands in a key log; NULL for no label. */
const char *secret_label_text(unsigned label);

/* The label of that text, or -1. */
int secret_label_find(struct bytes text);

/* Appends one frame. */
void secrets_encode(struct buf *out, const struct secret *secret);

/* Reads the payload of a frame of type 1; false when it is none. */
bool secrets_decode(struct bytes payload, struct secret *secret);

/*
 * Opens (creates, mode 0600) the file for appending, without the torn frame
 * that a crash may have left.  A descriptor, or CORRUPT (not such a file),
 * DENIED, IO.
 */
int secrets_open(const char *path, struct error *e);

/* Appends whole frames; LIMIT past SECRETS_FILE_MAX, NOSPACE, IO. */
int secrets_append(int fd, struct bytes frames);

/* Called for each secret; a negative error ends the visit. */
typedef int secrets_visitor(void *context, const struct secret *secret);

/*
 * Calls `visit` for the secrets of `window`, in file order.  Returns 0, what
 * the visitor returned, NOTFOUND, or CORRUPT.  A file that is being appended
 * to can be read.
 */
int secrets_visit(const char *path, struct packet_window window,
		  secrets_visitor *visit, void *context, struct error *e);

/* Secrets in memory, wiped when freed. */
struct secret_list {
	struct secret *items;
	size_t count, capacity;
	bool cut; /* there were more than SECRETS_MAX */
};

/* Adds one: a visitor, whose context is the list. */
int secrets_list_add(void *list, const struct secret *secret);

/* Adds those of a file (absent: none) to a list that may have some. */
int secrets_load(const char *path, struct packet_window window,
		 struct secret_list *list, struct error *e);
void secrets_free(struct secret_list *list);

/*
 * Copies those of `window` to a new file of mode 0600, synced.  The number of
 * them, with the SHA-256 of the copy; 0: none, and no file was made.
 */
int64_t secrets_copy(const char *from, const char *to,
		     struct packet_window window, char hex[HASH_SHA256_HEX],
		     struct error *e);

/* Replaces the file by one without those before `before_ns`.  Descriptors of
 * secrets_open must be opened again afterwards. */
int secrets_forget(const char *path, int64_t before_ns, struct error *e);
