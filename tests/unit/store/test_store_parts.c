/* SPDX-License-Identifier: Apache-2.0 */
/* The small parts of the store: references, interning, networks, patterns. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "dissect/store/address.h"
#include "dissect/store/intern.h"
#include "dissect/store/pattern.h"
#include "dissect/store/payload_refs.h"

static void
references_come_back_as_they_went(void **state)
{
	static const struct payload_ref sets[][PAYLOAD_PART_COUNT] = {
		{ { 0 } },
		{ { 5, 100, 20 }, { 5, 120, 30 }, { 6, 0, 1 }, { 6, 1, 9 } },
		{ { INT64_MAX, 0, PAYLOAD_BLOCK_LIMIT }, { 0 },
		  { 0, PAYLOAD_BLOCK_LIMIT - 1, 1 }, { INT64_MAX, 7, 7 } },
		{ { 0 }, { 0 }, { 0 }, { 1, 2, 3 } },
	};
	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(*sets); i++) {
		struct payload_ref back[PAYLOAD_PART_COUNT];
		uint8_t blob[PAYLOAD_REFS_SIZE];
		size_t size = payload_refs_encode(sets[i], blob);

		assert_int_equal(size == 0, i == 0);
		assert_int_equal(payload_refs_decode(bytes_make(blob, size),
						     back), 0);
		for (int k = 0; k < PAYLOAD_PART_COUNT; k++) {
			assert_true(back[k].block == sets[i][k].block);
			assert_int_equal(back[k].offset, sets[i][k].offset);
			assert_int_equal(back[k].size, sets[i][k].size);
		}
	}
}

static void
references_that_nobody_wrote_are_refused(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} bad[] = {
		{ "\x01", 1 },                    /* a size and no more */
		{ "\0\0\0", 3 },                  /* three of four */
		{ "\0\0\0\0\0", 5 },              /* more behind the end */
		{ "\x01\x01\x00\0\0\0", 6 },      /* block -1 */
		{ "\x01\x00\x01\0\0\0", 6 },      /* offset -1 */
		{ "\x81\x80\x80\x08\0\0\0\0\0", 9 }, /* larger than a block */
		{ "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", 10 },
	};
	struct payload_ref refs[PAYLOAD_PART_COUNT];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(payload_refs_decode(
			bytes_make(bad[i].bytes, bad[i].size), refs),
			ERR_CORRUPT);
}

static void
strings_keep_their_number_until_the_table_is_full(void **state)
{
	struct intern in;
	char text[32];
	bool added;

	(void)state;
	intern_init(&in, 5000);
	assert_int_equal(intern_id(&in, bytes_of(""), &added), 0);
	assert_false(added);
	for (int round = 0; round < 2; round++) {
		for (uint32_t i = 1; i <= 5000; i++) {
			snprintf(text, sizeof(text), "string %u", i);
			assert_int_equal(intern_id(&in, bytes_of(text),
						   &added), i);
			assert_int_equal(added, round == 0);
		}
	}
	assert_int_equal(intern_id(&in, bytes_of("one more"), &added), 5001);
	assert_int_equal(intern_id(&in, bytes_of("one more"), &added), 5002);
	assert_true(added);
	assert_int_equal(intern_id(&in, bytes_of("string 7"), &added), 7);
	intern_free(&in);
}

static void
networks_are_ranges(void **state)
{
	static const struct {
		const char *network, *first, *last; /* NULL: no network */
	} cases[] = {
		{ "10.0.0.0/8", "10.0.0.0", "10.255.255.255" },
		{ "10.1.2.3/8", "10.0.0.0", "10.255.255.255" },
		{ "192.168.7.9/32", "192.168.7.9", "192.168.7.9" },
		{ "192.168.7.9", "192.168.7.9", "192.168.7.9" },
		{ "192.168.7.8/31", "192.168.7.8", "192.168.7.9" },
		{ "0.0.0.0/0", "0.0.0.0", "255.255.255.255" },
		{ "2001:db8::/33", "2001:db8::",
		  "2001:db8:7fff:ffff:ffff:ffff:ffff:ffff" },
		{ "::1", "::1", "::1" },
		{ "10.0.0.0/33", NULL, NULL },
		{ "::/129", NULL, NULL },
		{ "10.0.0.0/", NULL, NULL },
		{ "10.0.0.0/-1", NULL, NULL },
		{ "10.0.0/8", NULL, NULL },
		{ "example.com/8", NULL, NULL },
		{ "", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct address first, last;
		char text[INET6_ADDRSTRLEN];
		bool good = address_network(cases[i].network, &first, &last);

		if (good != (cases[i].first != NULL))
			fail_msg("%s", cases[i].network);
		if (!good)
			continue;
		assert_string_equal(address_text(first.bytes, text),
				    cases[i].first);
		assert_string_equal(address_text(last.bytes, text),
				    cases[i].last);
	}
}

static void
patterns_mean_what_re2_says(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{ "^/users/\\d+$", "/users/42", true },
		{ "^/users/\\d+$", "/users/x", false },
		{ "\\bfoo\\b", "a foo b", true },
		{ "\\bfoo\\b", "afoo", false },
		{ "[\\w.-]+@", "a.b-c@", true },
		{ "^[^\\s]+$", "a b", false },
		{ "(?i)GET", "get", true },
		{ "(?:ab)+c", "ababc", true },
		{ "a.*?b", "axxb", true },
		{ "a{2,3}?", "aa", true },
		{ "\\.json$", "x.json", true },
		{ "\\.json$", "xjson", false },
		{ "[]x]", "]", true },
		{ "[[:digit:]]", "7", true },
		{ "\\{", "{", true },
		{ "\\t", "\t", true },
		{ "", "anything", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct error e = { 0 };
		regex_t pattern;

		if (pattern_compile(cases[i].pattern, &pattern, &e))
			fail_msg("%s: %s", cases[i].pattern, e.text);
		if ((regexec(&pattern, cases[i].text, 0, NULL, 0) == 0) !=
		    cases[i].matches)
			fail_msg("%s on %s", cases[i].pattern, cases[i].text);
		regfree(&pattern);
	}
}

static void
patterns_that_cost_too_much_are_refused(void **state)
{
	static const char *const bad[] = {
		"(a)\\1", "(?=x)", "(?P<n>x)", "a{1001}", "(a{40}){40}",
		"a{2", "a{x}", "[a", "(a", "*", "[\\d-\\]]", "\\",
		"\\pL", "a**{2}{1000}{1000}",
	};
	char longest[400];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct error e = { 0 };
		regex_t pattern;

		if (pattern_compile(bad[i], &pattern, &e) == 0) {
			regfree(&pattern);
			fail_msg("%s", bad[i]);
		}
		assert_true(strlen(e.text) > 0);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(pattern_compile(longest, &(regex_t){ 0 }, NULL),
			 ERR_INVALID);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(references_come_back_as_they_went),
		cmocka_unit_test(references_that_nobody_wrote_are_refused),
		cmocka_unit_test(
			strings_keep_their_number_until_the_table_is_full),
		cmocka_unit_test(networks_are_ranges),
		cmocka_unit_test(patterns_mean_what_re2_says),
		cmocka_unit_test(patterns_that_cost_too_much_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
