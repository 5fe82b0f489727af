/* SPDX-License-Identifier: Apache-2.0 */
/* The small parts of the store: references, interning, networks, patterns. */
#include "fixture.h"

#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
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
		{ { 0 }, { 0 }, { 9, 5, 6 }, { 0 }, { 0 }, { 9, 11, 70 } },
		{ { 0 }, { 0 }, { 0 }, { 0 }, { 2, 0, 1 }, { 0 } },
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

static const struct {
	const char *pattern, *text;
	bool matches;
} meanings[] = {
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
	{ "a|b|", "c", true },
	{ "^(a|b|cd)$", "cd", true },
	{ "^(a|b|cd)$", "c", false },
	{ "^a{0}b$", "b", true },
	{ "^a{2,}$", "a", false },
	{ "^a{2,}$", "aaaaa", true },
	{ "^a{1,2}$", "aaa", false },
	{ "^(ab?){2}$", "aba", true },
	{ "(a*)*b", "aaac", false },
	{ "(a*)+$", "b", true },
	{ "^.$", "\u00e9", true },
	{ "^[^a]{2}$", "\u00e9\u20ac", true },
	{ "^\u00e9+$", "\u00e9\u00e9", true },
	{ "(?i)^[^a-c]$", "B", false },
	{ "^[a\\-z]+$", "a-z", true },
	{ "^[a-]+$", "a-", true },
	{ "^[^]]$", "]", false },
	{ "\\Ax\\z", "x", true },
	{ "a.c", "a\nc", false },
	{ "\\Bx", "ax", true },
	{ "x*", "", true },
	{ "^\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}\\.\\d{1,3}$", "10.0.0.1",
	  true },
	{ "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
	  "123e4567-e89b-12d3-a456-426614174000", true },
};

static void
patterns_mean_what_re2_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++) {
		struct error e = { 0 };
		struct pattern *pattern;

		if (pattern_compile(meanings[i].pattern, &pattern, &e))
			fail_msg("%s: %s", meanings[i].pattern, e.text);
		if (pattern_match(pattern, bytes_of(meanings[i].text)) !=
		    meanings[i].matches)
			fail_msg("%s on %s", meanings[i].pattern, meanings[i].text);
		pattern_free(pattern);
	}
}

/* 40 groups in each other. */
#define DEEP                                         \
	("((((((((((((((((((((((((((((((((((((((((a" \
	 "))))))))))))))))))))))))))))))))))))))))")

static void
patterns_that_cost_too_much_are_refused(void **state)
{
	static const char *const bad[] = {
		"(a)\\1", "(?=x)", "(?P<n>x)", "a{1001}",
		"(a{50}){50}", "(((a{0}){1000}){1000}){1000}",
		"a{2", "a{x}", "a{3,2}", "[a", "[", "(a", "a)", "*", "a|*",
		"[z-a]", "\\", "[\\", "[a-",
		"\\pL", "a**", "a{2}{3}", "((a|b|c|d){20}){20}",
		DEEP,
	};
	char longest[400];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct error e = { 0 };
		struct pattern *pattern;

		if (pattern_compile(bad[i], &pattern, &e) == 0)
			fail_msg("%s", bad[i]);
		assert_true(strlen(e.text) > 0);
	}
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(pattern_compile(longest, NULL, NULL),
			 ERR_INVALID);
}

static uint32_t
random_below(uint32_t *seed, uint32_t limit)
{
	*seed = *seed * 1664525 + 1013904223;
	return (*seed >> 10) % limit;
}

/* A pattern in the syntax that both have. */
static void
grow_pattern(struct buf *out, uint32_t *seed, int depth)
{
	static const char *const atoms[] = { "a", "b", "ab", ".", "[ab]",
					     "[^a]", "c" };
	static const char *const repeats[] = { "", "", "", "*", "+", "?",
					       "{2}", "{1,3}", "{2,}", "{0,1}" };

	for (uint32_t n = 1 + random_below(seed, 3); n; n--) {
		if (depth && random_below(seed, 3) == 0) {
			buf_text(out, "(");
			grow_pattern(out, seed, depth - 1);
			if (random_below(seed, 2)) {
				buf_text(out, "|");
				grow_pattern(out, seed, depth - 1);
			}
			buf_text(out, ")");
		} else {
			buf_text(out, atoms[random_below(seed, 7)]);
		}
		if (out->data[out->size - 1] != 'b' ||
		    out->size < 2 || out->data[out->size - 2] != 'a')
			buf_text(out, repeats[random_below(seed, 10)]);
	}
}

static void
patterns_find_what_the_c_library_finds(void **state)
{
	uint32_t seed = 77, found = 0;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		struct pattern *ours;
		struct error e = { 0 };
		struct buf text;
		char subject[16] = "";
		regex_t theirs;
		bool match;

		buf_init(&text, 4096);
		buf_text(&text, random_below(&seed, 3) ? "" : "^");
		grow_pattern(&text, &seed, 2);
		buf_text(&text, random_below(&seed, 3) ? "" : "$");
		if (text.size > PATTERN_LIMIT) {
			buf_free(&text);
			continue;
		}
		if (pattern_compile(buf_cstr(&text), &ours, &e))
			fail_msg("%s: %s", buf_cstr(&text), e.text);
		assert_int_equal(regcomp(&theirs, buf_cstr(&text),
					 REG_EXTENDED | REG_NOSUB), 0);
		for (int k = 0; k < 8; k++) {
			uint32_t n = random_below(&seed, 9);

			for (uint32_t at = 0; at < n; at++)
				subject[at] = (char)('a' +
						     random_below(&seed, 3));
			subject[n] = '\0';
			match = regexec(&theirs, subject, 0, NULL, 0) == 0;
			found += match;
			if (pattern_match(ours, bytes_of(subject)) != match)
				fail_msg("%s on %s", buf_cstr(&text), subject);
		}
		regfree(&theirs);
		pattern_free(ours);
		buf_free(&text);
	}
	assert_true(found > 10000);
}

/* What makes backtracking matchers, and the C library's, take hours. */
static void
hard_patterns_end(void **state)
{
	static const char *const hard[] = {
		"(a*)*(a*)*(a|b)*c", "((a|b)*a(a|b){30}){3}c",
		"(.*.*.*.*.*.*.*.*.*.*){5}x$", "(a?){90}a{90}c",
		"(a|a|a|a|a|a|a|a)*c", "(a|b)*a(a|b){100}c",
	};
	static uint8_t text[PATTERN_SUBJECT];
	uint32_t seed = 5;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++) {
		seed = seed * 1664525 + 1013904223;
		text[i] = seed >> 20 & 1 ? 'a' : 'b';
	}
	for (size_t i = 0; i < sizeof(hard) / sizeof(*hard); i++) {
		struct pattern *pattern;

		assert_int_equal(pattern_compile(hard[i], &pattern, NULL), 0);
		assert_false(pattern_match(pattern,
					   bytes_make(text, sizeof(text))));
		pattern_free(pattern);
	}
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
		cmocka_unit_test(patterns_find_what_the_c_library_finds),
		cmocka_unit_test(hard_patterns_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
