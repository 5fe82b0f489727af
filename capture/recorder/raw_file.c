/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/raw_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/source/raw_reader.h"

#define READ_STEP ((size_t)4 << 20)

static int
raw_file_map(const char *path, struct raw_file *f, struct error *e)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat info;
	int status = 0;

	if (fd < 0)
		return error_set_errno(e, errno, "cannot open %s", path);
	if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
		status = error_set(e, ERR_CORRUPT, "%s is not a file", path);
	} else if (info.st_size < (off_t)RAW_PAGE) {
		status = error_set(e, ERR_TRUNCATED,
				   "%s ends inside its header", path);
	} else {
		f->mapped = (size_t)info.st_size;
		f->mapping = mmap(NULL, f->mapped, PROT_READ, MAP_SHARED, fd,
				  0);
		if ((void *)f->mapping == MAP_FAILED) {
			f->mapping = NULL;
			status = error_set_errno(e, errno, "cannot map %s",
						 path);
		}
	}
	close(fd);
	return status;
}

/* Older headers lack it. */
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

/* Page faults one by one cost as much as compressing what they bring. */
void
raw_file_read_on(struct raw_file *f, uint64_t offset)
{
	size_t base = RAW_PAGE + f->header.first;
	size_t at, part;

	if (offset < f->fetched)
		return;
	at = (size_t)(base + offset) & ~(size_t)(RAW_PAGE - 1);
	part = f->mapped - at < READ_STEP ? f->mapped - at : READ_STEP;
	(void)madvise(f->mapping, at, MADV_DONTNEED);
	(void)madvise(f->mapping + at, part, MADV_POPULATE_READ);
	f->fetched = offset + READ_STEP / 2;
}

void
raw_file_rewind(struct raw_file *f)
{
	f->fetched = 0;
}

/* How far records can be read, from the byte `from` of `data`. */
static size_t
raw_file_readable(struct raw_file *f, struct bytes data, size_t from,
		  const char **why)
{
	struct raw_reader r;
	struct raw_packet packet;
	size_t readable;

	data = bytes_from(data, from);
	raw_reader_init(&r, (enum raw_format)f->header.format, data);
	raw_file_rewind(f);
	raw_file_read_on(f, from);
	while (raw_reader_next(&r, &packet) > 0)
		raw_file_read_on(f, from + packet.offset);
	readable = (size_t)raw_reader_offset(&r);
	*why = r.problem;
	raw_reader_free(&r);
	return readable < data.size ? readable : data.size;
}

/* Behind the committed bytes only a record that says so itself is one: zeroes
 * of the last page, or what was half written, end it without a word. */
static void
raw_file_extend(struct raw_file *f, struct bytes all)
{
	uint64_t committed = f->header.committed;
	uint8_t boot[RAW_BOOT_ID];
	const char *why;

	raw_boot_id(boot);
	if (memcmp(boot, f->header.boot_id, RAW_BOOT_ID) != 0 ||
	    committed >= all.size || f->missing > 0)
		return;
	f->beyond = raw_file_readable(f, all, (size_t)committed, &why);
	f->records.size = (size_t)committed + f->beyond;
}

int
raw_file_open(const char *path, struct raw_file *f, struct error *e)
{
	struct bytes all;
	size_t readable;
	int status;

	*f = (struct raw_file){ 0 };
	status = raw_file_map(path, f, e);
	if (status < 0)
		return status;
	all = bytes_make(f->mapping, f->mapped);
	status = raw_header_decode(bytes_first(all, RAW_PAGE), &f->header);
	if (status == 0 && f->header.format != RAW_FORMAT_RECORDS &&
	    f->header.format != RAW_FORMAT_BLOCKS)
		status = ERR_CORRUPT;
	if (status < 0)
		return error_set(e, status,
				 "neither header of %s is whole; what it holds "
				 "cannot be told", path);
	all = bytes_from(all, RAW_PAGE + f->header.first);
	f->records = all;
	if (f->header.committed < all.size)
		f->records.size = (size_t)f->header.committed;
	readable = raw_file_readable(f, f->records, 0, &f->problem);
	f->missing = f->header.committed - readable;
	f->records.size = readable;
	raw_file_extend(f, all);
	return 0;
}

void
raw_file_close(struct raw_file *f)
{
	if (f->mapping)
		munmap(f->mapping, f->mapped);
	*f = (struct raw_file){ 0 };
}
