/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/recorder/seal_plain.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void
seal_plain_open(struct seal_plain *p, const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	*p = (struct seal_plain){ .mapping = NULL };
	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0) {
		p->size = (size_t)st.st_size;
		p->mapping = mmap(NULL, p->size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p->mapping == MAP_FAILED)
			p->mapping = NULL;
	}
	close(fd);
}

void
seal_plain_next(struct seal_plain *p)
{
	do
		p->has_packet = raw_reader_next(&p->reader, &p->packet) > 0;
	while (p->has_packet && !(p->packet.ifindex & RAW_PLAINTEXT));
}

void
seal_plain_rewind(struct seal_plain *p)
{
	p->has_packet = false;
	if (!p->mapping)
		return;
	raw_reader_free(&p->reader);
	raw_reader_init(&p->reader, RAW_FORMAT_RECORDS,
			bytes_make(p->mapping, p->size));
	seal_plain_next(p);
}

void
seal_plain_close(struct seal_plain *p)
{
	if (!p->mapping)
		return;
	raw_reader_free(&p->reader);
	munmap(p->mapping, p->size);
	p->mapping = NULL;
}
