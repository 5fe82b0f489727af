/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Symbols of this very program, checked against the addresses it runs at, and
 * files that lie.
 */
#include "capture/keys/elf_file.h"

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/file.h"

/* What is looked for. */
int landmark_function(int value);

__attribute__((noinline)) int
landmark_function(int value)
{
	return value + 1;
}

static uint64_t load_bias;

static int
on_object(struct dl_phdr_info *info, size_t size, void *context)
{
	(void)size;
	(void)context;
	load_bias = info->dlpi_addr;
	return 1; /* the first is the program */
}

static void
finds_a_function(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct elf_file *f = elf_file_open(fd);
	uint64_t found, wanted;

	(void)state;
	assert_int_equal(landmark_function(1), 2);
	assert_non_null(f);
	dl_iterate_phdr(on_object, NULL);
	assert_true(elf_file_function(f, "landmark_function", true, &found));
	assert_true(elf_file_code_offset(
		f, (uint64_t)(uintptr_t)landmark_function - load_bias,
		&wanted));
	assert_int_equal(found, wanted);
	/* Its first bytes are those in memory. */
	assert_memory_equal(elf_file_read(f, found, 8).data,
			    (const void *)(uintptr_t)landmark_function, 8);
	/* A name that is only the end of another, and none at all. */
	assert_false(elf_file_function(f, "andmark_function", true, &found));
	assert_false(elf_file_function(f, "no_such_function", true, &found));
	elf_file_close(f);
	close(fd);
}

static void
finds_sections_and_texts(void **state)
{
	static const char text[] = "a text that stands in read-only data";
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	struct elf_file *f = elf_file_open(fd);
	struct elf_section data;
	uint64_t at;

	(void)state;
	assert_true(elf_file_section(f, ".rodata", &data));
	assert_true(elf_file_search(f, data.offset, data.offset + data.size,
				    bytes_of(text), &at));
	assert_memory_equal(elf_file_read(f, at, sizeof(text)).data, text,
			    sizeof(text));
	assert_false(elf_file_search(f, data.offset, UINT64_MAX,
				     bytes_of(text), &at));
	assert_false(elf_file_section(f, ".nothing", &data));
	assert_false(elf_file_section(f, ".bss", &data)); /* not in the file */
	assert_int_equal(elf_file_read(f, UINT64_MAX - 4, 8).size, 0);
	elf_file_close(f);
	close(fd);
}

/* A text that lies across the places where the file is read in pieces. */
static void
search_spans_windows(void **state)
{
	static uint8_t image[200000];
	int fd = memfd_create("elf", MFD_CLOEXEC);
	Elf64_Ehdr header = { .e_type = ET_DYN,
			      .e_machine = EM_X86_64,
			      .e_phentsize = sizeof(Elf64_Phdr) };
	struct elf_file *f;
	uint64_t at;

	(void)state;
	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	memcpy(image, &header, sizeof(header));
	assert_int_equal(write(fd, image, sizeof(image)), sizeof(image));
	f = elf_file_open(fd);
	assert_non_null(f);
	for (uint64_t place = 65500; place < 65560; place++) {
		assert_int_equal(pwrite(fd, "landmark", 8, (off_t)place), 8);
		assert_true(elf_file_search(f, 0, sizeof(image),
					    bytes_of("landmark"), &at));
		assert_int_equal(at, place);
		assert_int_equal(pwrite(fd, "\0\0\0\0\0\0\0\0", 8,
					(off_t)place), 8);
	}
	elf_file_close(f);
	close(fd);
}

static void
refuses_what_is_none(void **state)
{
	int fds[2];

	(void)state;
	assert_int_equal(pipe(fds), 0);
	assert_null(elf_file_open(fds[0]));
	assert_null(elf_file_open(-1));
	close(fds[0]);
	close(fds[1]);
}

/* Every byte of the headers and of the section table set to what hurts; the
 * answers may be wrong, never a crash (run under ASan). */
static void
survives_lies(void **state)
{
	static const uint8_t values[] = { 0, 0x7f, 0xff };
	struct buf image;
	Elf64_Ehdr header;
	int fd = memfd_create("elf", MFD_CLOEXEC);

	(void)state;
	buf_init(&image, 64u << 20);
	assert_int_equal(file_read("/proc/self/exe", &image, NULL), 0);
	assert_int_equal(write(fd, image.data, image.size),
			 (ssize_t)image.size);
	memcpy(&header, image.data, sizeof(header));
	for (size_t at = 0; at < 768; at++) {
		size_t table = header.e_shoff + (at - 512) * 5;
		size_t place = at < 512 ? at : table;
		uint64_t offset;

		for (size_t v = 0; v < sizeof(values); v++) {
			struct elf_file *f;

			assert_int_equal(pwrite(fd, &values[v], 1,
						(off_t)place), 1);
			f = elf_file_open(fd);
			if (f)
				elf_file_function(f, "landmark_function",
						  true, &offset);
			elf_file_close(f);
		}
		assert_int_equal(pwrite(fd, image.data + place, 1,
					(off_t)place), 1);
	}
	buf_free(&image);
	close(fd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_a_function),
		cmocka_unit_test(finds_sections_and_texts),
		cmocka_unit_test(search_spans_windows),
		cmocka_unit_test(refuses_what_is_none),
		cmocka_unit_test(survives_lies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
