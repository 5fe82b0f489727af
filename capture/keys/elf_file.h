/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs and libraries of strangers: sections, symbols and where code lies
 * in the file (System V ABI, gABI 4.1; ELF64, little endian, x86-64).
 *
 * Nothing is mapped, so that a file that shrinks meanwhile is a short read and
 * no signal; every number is checked, and memory is bounded whatever the file
 * says.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

struct elf_file;

struct elf_section {
	uint64_t address, offset, size;
	uint32_t type, link;
};

/* Looks at `fd`, which stays the caller's and open.  NULL: no such file, or
 * its headers are damaged. */
struct elf_file *elf_file_open(int fd);
void elf_file_close(struct elf_file *f);

/* The first section of that name; false when there is none or it is not all
 * in the file. */
bool elf_file_section(const struct elf_file *f, const char *name,
		      struct elf_section *section);

/* Where in the file the code at `address` lies; false when no executable
 * segment has it. */
bool elf_file_code_offset(const struct elf_file *f, uint64_t address,
			  uint64_t *offset);

/* The function of that name, in .dynsym or else, if `all`, in .symtab: where
 * in the file its code lies. */
bool elf_file_function(struct elf_file *f, const char *name, bool all,
		       uint64_t *offset);

/* `size` bytes at `offset` of the file, borrowed until the next call; empty
 * when they are not there.  At most ELF_READ_MAX. */
#define ELF_READ_MAX 4096u
struct bytes elf_file_read(struct elf_file *f, uint64_t offset, size_t size);

/* Where `text` is found between two offsets of the file at or after `from`;
 * false when it is not.  `text` is at most 256 bytes. */
bool elf_file_search(struct elf_file *f, uint64_t from, uint64_t to,
		     struct bytes text, uint64_t *found);
