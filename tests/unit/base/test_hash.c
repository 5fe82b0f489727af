/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/hash.h"

/* Bytes 00 01 … 0f as two little-endian words, the key of the test vectors. */
static const struct hash_key counting_key = { 0x0706050403020100,
					      0x0f0e0d0c0b0a0908 };

/*
 * "SipHash: a fast short-input PRF" appendix A (15 bytes) and vectors of the
 * reference implementation; also what `openssl mac … SIPHASH` prints.
 */
static void
siphash_matches_the_published_vectors(void **state)
{
	static const struct {
		size_t size;
		uint64_t hash;
	} vectors[] = {
		{ 0, 0x726fdb47dd0e0e31 },  { 1, 0x74f839c593dc67fd },
		{ 7, 0xab0200f58b01d137 },  { 8, 0x93f5f5799a932462 },
		{ 15, 0xa129ca6149be45e5 }, { 30, 0xad87a3535c49ef28 },
		{ 63, 0x958a324ceb064572 },
	};
	uint8_t in[64];

	(void)state;
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_true(hash_bytes(counting_key,
				       bytes_make(in, vectors[i].size)) ==
			    vectors[i].hash);
}

/* CPython 3.11's hash() of bytes without randomisation: SipHash-1-3, key 0. */
static void
places_are_those_of_siphash_1_3(void **state)
{
	static const struct {
		const char *text;
		uint64_t hash;
	} vectors[] = {
		{ "a", 0x407448d2b89b1813 },
		{ "hello", 0xe2e77b41cb4e1f9e },
		{ "abcdefg", 0x6db12aae9070f506 },
		{ "abcdefgh", 0x3f7b849c0b8e35ea },
		{ "abcdefghi", 0xf89b34a3d11eb6e5 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
		assert_true(hash_place((struct hash_key){ 0 },
				       bytes_of(vectors[i].text)) ==
			    vectors[i].hash);
}

static void
random_keys_differ(void **state)
{
	struct hash_key a = hash_key_random(), b = hash_key_random();

	(void)state;
	assert_false(a.k0 == b.k0 && a.k1 == b.k1);
}

static int
file_of(const void *data, size_t size)
{
	int fd = memfd_create("test", MFD_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, size), size);
	return fd;
}

/* FIPS 180-4 examples (also sha256sum). */
static void
sha256_matches_fips_180(void **state)
{
	char hex[HASH_SHA256_HEX];
	int fd = file_of("abc", 3);

	(void)state;
	assert_int_equal(hash_sha256_fd(fd, hex), 0);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
				 "b00361a396177a9cb410ff61f20015ad");
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 3);
	close(fd);
	fd = file_of("", 0);
	assert_int_equal(hash_sha256_fd(fd, hex), 0);
	assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb924"
				 "27ae41e4649b934ca495991b7852b855");
	close(fd);
}

static void
sha256_reads_files_of_many_chunks(void **state)
{
	static uint8_t million[1000000];
	char hex[HASH_SHA256_HEX];
	int fd;

	(void)state;
	memset(million, 'a', sizeof(million));
	fd = file_of(million, sizeof(million));
	assert_int_equal(hash_sha256_fd(fd, hex), 0);
	assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67"
				 "f1809a48a497200e046d39ccc7112cd0");
	close(fd);
}

static void
sha256_reads_pipes_and_refuses_directories(void **state)
{
	char hex[HASH_SHA256_HEX];
	int ends[2], fd;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "abc", 3), 3);
	close(ends[1]);
	assert_int_equal(hash_sha256_fd(ends[0], hex), 0);
	assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223"
				 "b00361a396177a9cb410ff61f20015ad");
	close(ends[0]);
	fd = open("/", O_RDONLY);
	assert_int_equal(hash_sha256_fd(fd, hex), ERR_IO);
	close(fd);
	assert_int_equal(hash_sha256_fd(-1, hex), ERR_IO);
}

/* RFC 4231, test cases 1 and 2. */
static void
hmac_matches_the_published_vectors(void **state)
{
	static const uint8_t first[] = {
		0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53,
		0x5c, 0xa8, 0xaf, 0xce, 0xaf, 0x0b, 0xf1, 0x2b,
		0x88, 0x1d, 0xc2, 0x00, 0xc9, 0x83, 0x3d, 0xa7,
		0x26, 0xe9, 0x37, 0x6c, 0x2e, 0x32, 0xcf, 0xf7,
	};
	static const uint8_t second[] = {
		0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e,
		0x6a, 0x04, 0x24, 0x26, 0x08, 0x95, 0x75, 0xc7,
		0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27, 0x39, 0x83,
		0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
	};
	uint8_t key[20], mac[HASH_SHA256_SIZE];

	(void)state;
	memset(key, 0x0b, sizeof(key));
	hash_hmac_sha256(bytes_make(key, sizeof(key)), bytes_of("Hi There"),
			 mac);
	assert_memory_equal(mac, first, sizeof(mac));
	hash_hmac_sha256(bytes_of("Jefe"),
			 bytes_of("what do ya want for nothing?"), mac);
	assert_memory_equal(mac, second, sizeof(mac));
	assert_true(hash_equal(mac, second, sizeof(mac)));
	assert_false(hash_equal(mac, first, sizeof(mac)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hmac_matches_the_published_vectors),
		cmocka_unit_test(siphash_matches_the_published_vectors),
		cmocka_unit_test(places_are_those_of_siphash_1_3),
		cmocka_unit_test(random_keys_differ),
		cmocka_unit_test(sha256_matches_fips_180),
		cmocka_unit_test(sha256_reads_files_of_many_chunks),
		cmocka_unit_test(sha256_reads_pipes_and_refuses_directories),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
