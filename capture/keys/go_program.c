/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keys/go_program.h"

#include <elf.h>
#include <string.h>

#include "base/reader.h"

#define MAGIC_1_2     0xfffffffbu
#define MAGIC_1_16    0xfffffffau
#define MAGIC_1_18    0xfffffff0u
#define MAGIC_1_20    0xfffffff1u
#define HEADER_SIZE   72u
#define TEXT_START_AT 24u
#define FUNCTIONS_MAX 4000000u
#define NAME_MAX_SIZE 128u
#define RELATIONS_MAX ((uint64_t)64 << 20)
#define X86_64_RELATIVE 8u

/* The table's header; offsets are of the file. */
struct go_table {
	struct elf_section section;
	uint64_t functions; /* how many */
	uint64_t text;      /* address that code offsets count from */
	uint64_t names, names_end;
	uint64_t entries;
};

/* In a position-independent program the loader fills the field in: what it
 * will be is in the relocations. */
static uint64_t
go_relocated(struct elf_file *f, uint64_t address)
{
	struct elf_section relations;

	if (!elf_file_section(f, ".rela.dyn", &relations) ||
	    relations.size > RELATIONS_MAX)
		return 0;
	for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= relations.size;
	     at += sizeof(Elf64_Rela)) {
		struct bytes in = elf_file_read(f, relations.offset + at,
						sizeof(Elf64_Rela));
		Elf64_Rela relation;

		if (in.size == 0)
			return 0;
		memcpy(&relation, in.data, sizeof(relation));
		if (relation.r_offset == address &&
		    ELF64_R_TYPE(relation.r_info) == X86_64_RELATIVE)
			return (uint64_t)relation.r_addend;
	}
	return 0;
}

/* Where functions' code offsets count from, when the table does not say. */
static uint64_t
go_text(struct elf_file *f, const struct go_table *t)
{
	uint64_t text = go_relocated(f, t->section.address + TEXT_START_AT);
	struct elf_section section;

	if (text == 0 && elf_file_section(f, ".text", &section))
		text = section.address;
	return text;
}

static bool
go_inside(const struct go_table *t, uint64_t offset)
{
	return offset >= HEADER_SIZE && offset < t->section.size;
}

static enum go_answer
go_header(struct elf_file *f, struct go_table *t)
{
	struct reader r = reader_make(
		elf_file_read(f, t->section.offset, HEADER_SIZE));
	uint32_t magic = reader_le32(&r);
	uint64_t names, units, entries;
	uint8_t pointer;

	if (magic == MAGIC_1_2 || magic == MAGIC_1_16)
		return GO_TOO_OLD;
	reader_skip(&r, 3);
	pointer = reader_u8(&r);
	t->functions = reader_le64(&r);
	reader_skip(&r, 8); /* number of files */
	t->text = reader_le64(&r);
	names = reader_le64(&r);
	units = reader_le64(&r);
	reader_skip(&r, 16); /* files, pc values */
	entries = reader_le64(&r);
	if (r.failed || (magic != MAGIC_1_18 && magic != MAGIC_1_20) ||
	    pointer != 8 || t->functions > FUNCTIONS_MAX ||
	    !go_inside(t, names) || !go_inside(t, units) || names >= units ||
	    !go_inside(t, entries) ||
	    t->functions * 8 > t->section.size - entries)
		return GO_DAMAGED;
	t->names = t->section.offset + names;
	t->names_end = t->section.offset + units;
	t->entries = t->section.offset + entries;
	if (t->text == 0)
		t->text = go_text(f, t);
	return GO_FOUND;
}

/* The function whose name begins at `name` in the table of names. */
static enum go_answer
go_find(struct elf_file *f, const struct go_table *t, uint64_t name,
	uint64_t *offset)
{
	uint64_t end = t->section.offset + t->section.size;

	for (uint64_t i = 0; i < t->functions; i++) {
		struct reader r = reader_make(
			elf_file_read(f, t->entries + i * 8, 8));
		uint64_t code = reader_le32(&r);
		uint64_t at = t->entries + reader_le32(&r);

		if (r.failed || at > end - 8)
			return GO_DAMAGED;
		r = reader_make(elf_file_read(f, at + 4, 4));
		if (reader_le32(&r) == name && !r.failed)
			return elf_file_code_offset(f, t->text + code, offset)
				       ? GO_FOUND
				       : GO_DAMAGED;
	}
	return GO_NO_FUNCTION;
}

enum go_answer
go_program_function(struct elf_file *f, const char *name, uint64_t *offset)
{
	struct go_table t = { .functions = 0 };
	char wanted[NAME_MAX_SIZE] = { 0 }; /* a terminator before and after */
	size_t size = strlen(name) + 2;
	enum go_answer answer;
	uint64_t at;

	if (size > sizeof(wanted))
		return GO_NO_FUNCTION;
	if (!elf_file_section(f, ".gopclntab", &t.section) &&
	    !elf_file_section(f, ".data.rel.ro.gopclntab", &t.section))
		return GO_NOT_GO;
	answer = go_header(f, &t);
	if (answer != GO_FOUND)
		return answer;
	memcpy(wanted + 1, name, size - 2);
	if (!elf_file_search(f, t.names, t.names_end,
			     bytes_make(wanted, size), &at))
		return GO_NO_FUNCTION;
	return go_find(f, &t, at + 1 - t.names, offset);
}
