/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the sides of an SSH connection offer each other, and what follows from
 * it (RFC 4253 §7.1; HASSH: https://github.com/salesforce/hassh).
 */
#pragma once

#include "base/bytes.h"

#define SSH_HASSH_SIZE 33

enum ssh_list {
	SSH_KEX,
	SSH_HOST_KEY,
	SSH_CIPHER_UP,      /* client to server … */
	SSH_CIPHER_DOWN,    /* … and back */
	SSH_MAC_UP,
	SSH_MAC_DOWN,
	SSH_COMPRESSION_UP,
	SSH_COMPRESSION_DOWN,
	SSH_LISTS
};

/* Names apart by commas, borrowed from the message. */
struct ssh_offer {
	struct bytes lists[SSH_LISTS];
};

/* "kex", "cipher-client-to-server", … */
extern const char *const ssh_list_names[SSH_LISTS];

/* Reads the payload of KEXINIT behind its type; false when it is none. */
bool ssh_offer_read(struct bytes payload, struct ssh_offer *out);

/* The first of the client's names that the server has; empty: none.  A cipher
 * that authenticates by itself leaves a MAC without meaning. */
struct bytes ssh_choose(const struct ssh_offer *client,
			const struct ssh_offer *server, enum ssh_list list);

/* Whether the cipher needs no MAC. */
bool ssh_is_authenticated(struct bytes cipher);

/* HASSH of a client's offer, HASSHServer of a server's: hexadecimal digits. */
void ssh_hassh(const struct ssh_offer *offer, bool client,
	       char out[SSH_HASSH_SIZE]);
