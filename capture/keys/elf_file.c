/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keys/elf_file.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"

#define SECTIONS_MAX 4096u
#define SEGMENTS_MAX 256u
#define NAMES_MAX    ((uint64_t)1 << 20)
#define WINDOW_SIZE  ((size_t)64 << 10)
#define SEARCH_MAX   256u
/* Symbol tables beyond this are not looked through. */
#define TABLE_MAX    ((uint64_t)512 << 20)
#define PLACES_MAX   16u

struct elf_window {
	uint64_t offset;
	size_t size;
	uint8_t data[WINDOW_SIZE];
};

struct elf_file {
	int fd;
	uint64_t size;
	Elf64_Phdr *segments;
	Elf64_Shdr *sections;
	uint32_t segment_count, section_count;
	char *names; /* of sections, terminated */
	uint64_t names_size;
	/* What was read last, in two places: tables refer to each other. */
	struct elf_window windows[2];
	unsigned latest;
};

static bool
elf_inside(const struct elf_file *f, uint64_t offset, uint64_t size)
{
	return offset <= f->size && size <= f->size - offset;
}

/* Reads all of it or fails. */
static bool
elf_pread(const struct elf_file *f, void *to, size_t size, uint64_t offset)
{
	size_t done = 0;

	if (!elf_inside(f, offset, size))
		return false;
	while (done < size) {
		ssize_t got = pread(f->fd, (char *)to + done, size - done,
				    (off_t)(offset + done));

		if (got <= 0)
			return false;
		done += (size_t)got;
	}
	return true;
}

static bool
elf_read_segments(struct elf_file *f, const Elf64_Ehdr *header)
{
	if (header->e_phentsize != sizeof(Elf64_Phdr) ||
	    header->e_phnum > SEGMENTS_MAX)
		return false;
	f->segment_count = header->e_phnum;
	f->segments = alloc_zero(f->segment_count + 1, sizeof(Elf64_Phdr));
	return elf_pread(f, f->segments,
			 f->segment_count * sizeof(Elf64_Phdr),
			 header->e_phoff);
}

/* A file without sections is a file without symbols. */
static void
elf_read_sections(struct elf_file *f, const Elf64_Ehdr *header)
{
	const Elf64_Shdr *names;

	if (header->e_shentsize != sizeof(Elf64_Shdr) ||
	    header->e_shnum > SECTIONS_MAX ||
	    header->e_shstrndx >= header->e_shnum)
		return;
	f->sections = alloc_zero(header->e_shnum, sizeof(Elf64_Shdr));
	if (!elf_pread(f, f->sections, header->e_shnum * sizeof(Elf64_Shdr),
		       header->e_shoff))
		return;
	names = &f->sections[header->e_shstrndx];
	if (names->sh_type != SHT_STRTAB || names->sh_size > NAMES_MAX)
		return;
	f->names = alloc_zero(names->sh_size + 1, 1);
	if (!elf_pread(f, f->names, names->sh_size, names->sh_offset))
		return;
	f->names_size = names->sh_size;
	f->section_count = header->e_shnum;
}

struct elf_file *
elf_file_open(int fd)
{
	struct elf_file *f = alloc_zero(1, sizeof(*f));
	Elf64_Ehdr header;
	struct stat st;

	f->fd = fd;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		f->size = (uint64_t)st.st_size;
	if (!elf_pread(f, &header, sizeof(header), 0) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_ident[EI_CLASS] != ELFCLASS64 ||
	    header.e_ident[EI_DATA] != ELFDATA2LSB ||
	    header.e_machine != EM_X86_64 ||
	    (header.e_type != ET_EXEC && header.e_type != ET_DYN) ||
	    !elf_read_segments(f, &header)) {
		elf_file_close(f);
		return NULL;
	}
	elf_read_sections(f, &header);
	return f;
}

void
elf_file_close(struct elf_file *f)
{
	if (!f)
		return;
	free(f->segments);
	free(f->sections);
	free(f->names);
	free(f);
}

static bool
elf_section_take(const struct elf_file *f, const Elf64_Shdr *in,
		 struct elf_section *section)
{
	if (in->sh_type == SHT_NOBITS ||
	    !elf_inside(f, in->sh_offset, in->sh_size))
		return false;
	*section = (struct elf_section){
		.address = in->sh_addr,
		.offset = in->sh_offset,
		.size = in->sh_size,
		.type = in->sh_type,
		.link = in->sh_link,
	};
	return true;
}

bool
elf_file_section(const struct elf_file *f, const char *name,
		 struct elf_section *section)
{
	for (uint32_t i = 0; i < f->section_count; i++) {
		const Elf64_Shdr *s = &f->sections[i];

		if (s->sh_name < f->names_size &&
		    strcmp(f->names + s->sh_name, name) == 0)
			return elf_section_take(f, s, section);
	}
	return false;
}

bool
elf_file_code_offset(const struct elf_file *f, uint64_t address,
		     uint64_t *offset)
{
	for (uint32_t i = 0; i < f->segment_count; i++) {
		const Elf64_Phdr *s = &f->segments[i];

		if (s->p_type == PT_LOAD && (s->p_flags & PF_X) &&
		    elf_inside(f, s->p_offset, s->p_filesz) &&
		    address >= s->p_vaddr &&
		    address - s->p_vaddr < s->p_filesz) {
			*offset = s->p_offset + (address - s->p_vaddr);
			return true;
		}
	}
	return false;
}

/* Reads what follows `offset`, as much as a window holds, over the window that
 * was not used last. */
static const struct elf_window *
elf_fill_window(struct elf_file *f, uint64_t offset)
{
	uint64_t left = offset < f->size ? f->size - offset : 0;
	size_t size = left < WINDOW_SIZE ? (size_t)left : WINDOW_SIZE;
	struct elf_window *w;

	f->latest = !f->latest;
	w = &f->windows[f->latest];
	w->offset = offset;
	w->size = elf_pread(f, w->data, size, offset) ? size : 0;
	return w;
}

static bool
elf_window_has(const struct elf_window *w, uint64_t offset, size_t size)
{
	return offset >= w->offset && offset - w->offset <= w->size &&
	       size <= w->size - (size_t)(offset - w->offset);
}

struct bytes
elf_file_read(struct elf_file *f, uint64_t offset, size_t size)
{
	const struct elf_window *w = &f->windows[f->latest];

	if (size > ELF_READ_MAX || !elf_inside(f, offset, size))
		return bytes_make(NULL, 0);
	if (!elf_window_has(w, offset, size)) {
		w = &f->windows[!f->latest];
		if (elf_window_has(w, offset, size))
			f->latest = !f->latest;
		else
			w = elf_fill_window(f, offset);
	}
	if (w->size < size)
		return bytes_make(NULL, 0);
	return bytes_make(w->data + (offset - w->offset), size);
}

bool
elf_file_search(struct elf_file *f, uint64_t from, uint64_t to,
		struct bytes text, uint64_t *found)
{
	if (text.size == 0 || text.size > SEARCH_MAX || to > f->size)
		return false;
	while (from < to && to - from >= text.size) {
		const struct elf_window *w = elf_fill_window(f, from);
		size_t size = w->size;
		const uint8_t *at;

		if (size > to - from)
			size = (size_t)(to - from);
		if (size < text.size)
			return false;
		at = memmem(w->data, size, text.data, text.size);
		if (at) {
			*found = from + (uint64_t)(at - w->data);
			return true;
		}
		from += size - (text.size - 1);
	}
	return false;
}

/* The offsets in a string table at which `name` ends a string: linkers let
 * names share their ends. */
static uint32_t
elf_name_places(struct elf_file *f, const struct elf_section *strings,
		const char *name, uint64_t places[PLACES_MAX])
{
	struct bytes text = bytes_make(name, strlen(name) + 1);
	uint64_t end = strings->offset + strings->size, at = strings->offset;
	uint32_t count = 0;

	while (count < PLACES_MAX && elf_file_search(f, at, end, text, &at)) {
		places[count++] = at - strings->offset;
		at++;
	}
	return count;
}

static bool
elf_is_place(uint64_t name, const uint64_t *places, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++)
		if (places[i] == name)
			return true;
	return false;
}

/* Looks for a function with one of these names in a symbol table. */
static bool
elf_find_symbol(struct elf_file *f, const struct elf_section *table,
		const uint64_t *places, uint32_t count, uint64_t *offset)
{
	for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table->size;
	     at += sizeof(Elf64_Sym)) {
		struct bytes in = elf_file_read(f, table->offset + at,
						sizeof(Elf64_Sym));
		Elf64_Sym symbol;

		if (in.size == 0)
			return false;
		memcpy(&symbol, in.data, sizeof(symbol));
		if (ELF64_ST_TYPE(symbol.st_info) == STT_FUNC &&
		    symbol.st_shndx != SHN_UNDEF &&
		    elf_is_place(symbol.st_name, places, count) &&
		    elf_file_code_offset(f, symbol.st_value, offset))
			return true;
	}
	return false;
}

static bool
elf_function_in(struct elf_file *f, const char *table_name, const char *name,
		uint64_t *offset)
{
	struct elf_section table, strings;
	uint64_t places[PLACES_MAX];
	uint32_t count;

	if (!elf_file_section(f, table_name, &table) ||
	    table.link >= f->section_count ||
	    !elf_section_take(f, &f->sections[table.link], &strings) ||
	    strings.type != SHT_STRTAB || strings.size > TABLE_MAX ||
	    table.size > TABLE_MAX)
		return false;
	count = elf_name_places(f, &strings, name, places);
	return count > 0 && elf_find_symbol(f, &table, places, count, offset);
}

bool
elf_file_function(struct elf_file *f, const char *name, bool all,
		  uint64_t *offset)
{
	return elf_function_in(f, ".dynsym", name, offset) ||
	       (all && elf_function_in(f, ".symtab", name, offset));
}
