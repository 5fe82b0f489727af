/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keys/key_hooks.h"

#include <stddef.h>
#include <string.h>

#include "capture/keys/elf_file.h"
#include "capture/keys/go_program.h"

/* Of the read-only data of one program; more is not looked through. */
#define DATA_MAX ((uint64_t)256 << 20)

static void
hooks_add(struct key_hooks *hooks, enum key_program_kind program,
	  uint64_t offset)
{
	hooks->places[hooks->count++] =
		(struct key_hook_place){ program, offset };
}

/*
 * An instruction that the kernel emulates costs a fifth of one that it has to
 * single-step: from an entry of "endbr64", "test reg,reg" on to the jump that
 * follows, before which no argument changes.
 */
static uint64_t
hooks_cheap_entry(struct elf_file *f, uint64_t offset)
{
	static const uint8_t endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	struct bytes code = elf_file_read(f, offset, 16);
	size_t at = 0;

	if (code.size < 16)
		return offset;
	if (memcmp(code.data, endbr, sizeof(endbr)) == 0)
		at = sizeof(endbr);
	/* REX.W test r64,r64; then jz, short or near. */
	if (code.data[at] == 0x48 && code.data[at + 1] == 0x85 &&
	    code.data[at + 2] >= 0xc0 &&
	    (code.data[at + 3] == 0x74 ||
	     (code.data[at + 3] == 0x0f && code.data[at + 4] == 0x84)))
		return offset + at + 3;
	return offset;
}

static bool
hooks_go(struct elf_file *f, struct key_hooks *hooks)
{
	uint64_t offset;

	switch (go_program_function(f, "crypto/tls.(*Config).writeKeyLog",
				    &offset)) {
	case GO_FOUND:
		hooks_add(hooks, KEY_PROGRAM_GO, offset);
		hooks->name = "Go crypto/tls writeKeyLog";
		return true;
	case GO_TOO_OLD:
		hooks->why = "Go 1.17 or older: its function table is not "
			     "read";
		return true;
	case GO_DAMAGED:
		hooks->why = "Go: its function table makes no sense";
		return true;
	case GO_NO_FUNCTION:
	case GO_NOT_GO:
		break;
	}
	return false;
}

static bool
hooks_openssl(struct elf_file *f, bool is_program, struct key_hooks *hooks)
{
	uint64_t offset;

	if (!elf_file_function(f, "EVP_KDF_derive", is_program, &offset))
		return false;
	hooks_add(hooks, KEY_PROGRAM_OPENSSL, hooks_cheap_entry(f, offset));
	hooks->name = "OpenSSL 3 EVP_KDF_derive";
	return true;
}

/* Before 3 derivations were set up by controls of EVP_PKEY; 1.1.1 is the first
 * to have EVP_PKEY_CTX_ctrl_uint64 beside them, and HKDF for TLS 1.3. */
static bool
hooks_openssl_1(struct elf_file *f, bool is_program, struct key_hooks *hooks)
{
	uint64_t offset, other;

	if (!elf_file_function(f, "EVP_PKEY_CTX_ctrl", is_program, &offset) ||
	    !elf_file_function(f, "EVP_PKEY_CTX_ctrl_uint64", is_program,
			       &other))
		return false;
	hooks_add(hooks, KEY_PROGRAM_OPENSSL_1, offset);
	hooks->name = "OpenSSL 1.1.1 EVP_PKEY_CTX_ctrl";
	return true;
}

/* Both, for a program may have BoringSSL for its cryptography alone. */
static bool
hooks_boringssl(struct elf_file *f, bool is_program, struct key_hooks *hooks)
{
	uint64_t expand, prf;

	if (!elf_file_function(f, "HKDF_expand", is_program, &expand) ||
	    !elf_file_function(f, "CRYPTO_tls1_prf", is_program, &prf))
		return false;
	hooks_add(hooks, KEY_PROGRAM_BORINGSSL, expand);
	hooks_add(hooks, KEY_PROGRAM_BORINGSSL_PRF, prf);
	hooks->name = "BoringSSL HKDF_expand, CRYPTO_tls1_prf";
	return true;
}

static bool
hooks_gnutls(struct elf_file *f, bool is_program, struct key_hooks *hooks)
{
	uint64_t offset;

	if (elf_file_function(f, "nettle_hkdf_expand", is_program, &offset)) {
		hooks_add(hooks, KEY_PROGRAM_HKDF, offset);
		hooks_add(hooks, KEY_PROGRAM_HKDF_RETURN, offset);
		hooks->name = "GnuTLS nettle_hkdf_expand";
	}
	if (elf_file_function(f, "_gnutls_prf_raw", is_program, &offset)) {
		hooks_add(hooks, KEY_PROGRAM_PRF, offset);
		hooks->name = hooks->count == 1
				      ? "GnuTLS _gnutls_prf_raw"
				      : "GnuTLS nettle_hkdf_expand, "
					"_gnutls_prf_raw";
	}
	return hooks->count > 0;
}

/* Libraries that are known by name not to be covered. */
static const char *
hooks_known_library(const char *path)
{
	static const struct {
		const char *begin, *why;
	} known[] = {
		{ "libjvm.so", "Java: JSSE has no function to ask" },
		{ "libcrypto.so.1", "OpenSSL before 1.1.1: not supported" },
		{ "libssl3.so", "NSS: no exported function has the secrets" },
		{ "libmbedtls.so", "mbed TLS: not supported" },
		{ "libwolfssl.so", "wolfSSL: not supported" },
	};
	const char *name = strrchr(path, '/');

	name = name ? name + 1 : path;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(name, known[i].begin,
			    strlen(known[i].begin)) == 0)
			return known[i].why;
	return NULL;
}

/* Static TLS, by texts that are in its read-only data. */
static const char *
hooks_known_data(struct elf_file *f)
{
	static const struct {
		const char *text, *why;
	} known[] = {
		{ "rustls", "rustls: no exported function has the secrets" },
		{ "BoringSSL", "static BoringSSL whose symbols are gone" },
		{ "AWS-LC", "static AWS-LC: not supported" },
		{ "OpenSSL 1.1", "static OpenSSL 1.1 whose symbols are gone" },
		{ "OpenSSL 3.", "static OpenSSL 3 whose symbols are gone" },
	};
	struct elf_section data, names;
	uint64_t at;

	if (!elf_file_section(f, ".rodata", &data) || data.size > DATA_MAX)
		return NULL;
	/* Linked with a library, it may still tell of it. */
	if (elf_file_section(f, ".dynstr", &names) &&
	    (elf_file_search(f, names.offset, names.offset + names.size,
			     bytes_of("libssl.so."), &at) ||
	     elf_file_search(f, names.offset, names.offset + names.size,
			     bytes_of("libcrypto.so."), &at)))
		return NULL;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (elf_file_search(f, data.offset, data.offset + data.size,
				    bytes_of(known[i].text), &at))
			return known[i].why;
	return NULL;
}

struct key_hooks
key_hooks_find(int fd, const char *path, bool is_program)
{
	struct key_hooks hooks = { .count = 0 };
	struct elf_file *f = elf_file_open(fd);

	if (!f)
		return hooks;
	if (!hooks_go(f, &hooks) && !hooks_openssl(f, is_program, &hooks) &&
	    !hooks_openssl_1(f, is_program, &hooks) &&
	    !hooks_boringssl(f, is_program, &hooks) &&
	    !hooks_gnutls(f, is_program, &hooks))
		hooks.why = hooks_known_library(path);
	elf_file_close(f);
	return hooks;
}

bool
key_hooks_unasked(const struct key_hooks *hooks, bool is_program)
{
	return is_program && !hooks->count && !hooks->why;
}

const char *
key_hooks_why(int fd)
{
	struct elf_file *f = elf_file_open(fd);
	const char *why = f ? hooks_known_data(f) : NULL;

	elf_file_close(f);
	return why;
}
