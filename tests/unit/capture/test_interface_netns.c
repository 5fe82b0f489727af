/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/interface_netns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

#define NAME 2        /* if_name */
#define DESCRIPTION 3 /* if_description, draft-ietf-opsawg-pcapng §4.2 */

struct expected {
	const char *description;
	uint64_t netns;
	bool plaintext;
};

static const struct expected cases[] = {
	{ "netns:4026531840", UINT64_C(4026531840), false },
	{ "netns:4026531840 eth", UINT64_C(4026531840), false },
	{ "netns:18446744073709551615", UINT64_MAX, false },
	{ "netns:18446744073709551616", 0, false },
	{ "netns:99999999999999999999999", 0, false },
	{ "netns:12x", 0, false },
	{ "netns:-1", 0, false },
	{ "netns:", 0, false },
	{ "netns", 0, false },
	{ "Netns:12", 0, false },
	{ " netns:12", 0, false },
	{ "", 0, false },
	{ "netns:7 plaintext 4711", 7, true },
	{ "netns:7 plaintext ", 7, true },
	{ "netns:7 plaintext", 7, false },
	{ "netns:7  plaintext 4711", 7, false },
	{ "netns:x plaintext 4711", 0, true },
	{ "plaintext 4711", 0, false },
};

static void
put_option(struct buf *out, uint16_t code, const char *text, bool big)
{
	size_t size = strlen(text);

	for (int i = 0; i < 2; i++) {
		uint16_t value = i ? (uint16_t)size : code;

		buf_u8(out, (uint8_t)(big ? value >> 8 : value));
		buf_u8(out, (uint8_t)(big ? value : value >> 8));
	}
	buf_bytes(out, bytes_of(text));
	for (; size % 4; size++)
		buf_u8(out, 0);
}

static void
descriptions(void **state)
{
	struct buf options;

	(void)state;
	buf_init(&options, 1000);
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
		const struct expected *e = &cases[i / 2];
		bool big = i % 2;

		buf_reset(&options);
		put_option(&options, NAME, "netns:3", big);
		put_option(&options, DESCRIPTION, e->description, big);
		put_option(&options, 0, "", big);
		if (interface_netns(buf_view(&options), big) != e->netns ||
		    interface_is_plaintext(buf_view(&options), big) !=
			    e->plaintext)
			fail_msg("\"%s\"", e->description);
	}
	buf_free(&options);
	assert_int_equal(interface_netns(bytes_make(NULL, 0), false), 0);
	assert_false(interface_is_plaintext(bytes_make(NULL, 0), false));
}

/* Options that end early, at every byte. */
static void
torn_options(void **state)
{
	struct buf options;

	(void)state;
	buf_init(&options, 1000);
	put_option(&options, DESCRIPTION, "netns:7 plaintext 4711", false);
	for (size_t i = 0; i < options.size; i++) {
		uint8_t *exact = malloc(i + !i);

		assert_non_null(exact);
		memcpy(exact, options.data, i);
		if (i < 4 + strlen("netns:7 plaintext 4711")) {
			assert_int_equal(interface_netns(bytes_make(exact, i),
							 false), 0);
			assert_false(interface_is_plaintext(
				bytes_make(exact, i), false));
		}
		free(exact);
	}
	buf_free(&options);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descriptions),
		cmocka_unit_test(torn_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
