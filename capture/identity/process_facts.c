/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/process_facts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "capture/identity/cgroup_path.h"

#define TEXT_MAX 4096

/* The beginning of a small file below `directory`; its size, 0 on failure. */
static size_t
read_text(int directory, const char *name, char out[TEXT_MAX])
{
	int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
	size_t size = 0;
	ssize_t n = 0;

	if (fd < 0) {
		out[0] = '\0';
		return 0;
	}
	while (size < TEXT_MAX - 1) {
		n = read(fd, out + size, TEXT_MAX - 1 - size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		size += (size_t)n;
	}
	out[size] = '\0';
	close(fd);
	return size;
}

static int
open_process(uint32_t pid)
{
	char path[32];

	snprintf(path, sizeof(path), "/proc/%" PRIu32, pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* proc_pid_stat(5): the name is in parentheses and may hold any byte. */
static bool
read_stat(int directory, struct process_facts *out)
{
	char text[TEXT_MAX];
	char *open_mark, *close_mark;
	uint64_t ticks;
	long per_second = sysconf(_SC_CLK_TCK);
	size_t n;

	if (!read_text(directory, "stat", text))
		return false;
	open_mark = strchr(text, '(');
	close_mark = strrchr(text, ')');
	if (!open_mark || !close_mark || close_mark < open_mark)
		return false;
	/* NOLINTNEXTLINE(cert-err34-c): the kernel's numbers are in range */
	if (sscanf(close_mark + 1,
		   " %*c %" SCNu32 " %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u"
		   " %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
		   &out->parent, &ticks) != 2)
		return false;
	n = (size_t)(close_mark - open_mark - 1);
	if (n >= sizeof(out->name))
		n = sizeof(out->name) - 1;
	memcpy(out->name, open_mark + 1, n);
	out->name[n] = '\0';
	out->start_ns = ticks * (uint64_t)(CLOCK_NS_PER_S / per_second);
	return true;
}

static uint32_t
read_uid(int directory)
{
	char text[TEXT_MAX];
	const char *line;
	uint32_t uid;

	if (read_text(directory, "status", text)) {
		line = strstr(text, "\nUid:");
		/* NOLINTNEXTLINE(cert-err34-c) */
		if (line && sscanf(line, "\nUid: %*u %" SCNu32, &uid) == 1)
			return uid;
	}
	return UINT32_MAX;
}

static char *
read_executable(int directory)
{
	static const char deleted[] = " (deleted)";
	const size_t tail = sizeof(deleted) - 1;
	char path[TEXT_MAX];
	ssize_t n = readlinkat(directory, "exe", path, sizeof(path));

	if (n <= 0)
		return alloc_string("");
	if ((size_t)n > tail && memcmp(path + n - tail, deleted, tail) == 0)
		n -= (ssize_t)tail;
	return alloc_string_n(path, (size_t)n);
}

bool
process_facts_read(uint32_t pid, struct process_facts *out)
{
	char text[TEXT_MAX];
	struct stat info;
	int directory = open_process(pid);

	*out = (struct process_facts){ .pid = pid };
	if (directory < 0)
		return false;
	if (!read_stat(directory, out)) {
		close(directory);
		return false;
	}
	out->uid = read_uid(directory);
	out->executable = read_executable(directory);
	read_text(directory, "cgroup", text);
	out->cgroup_path = cgroup_path_choose(text);
	if (fstatat(directory, "ns/net", &info, 0) == 0)
		out->netns = info.st_ino;
	close(directory);
	return true;
}

void
process_facts_free(struct process_facts *facts)
{
	free(facts->executable);
	free(facts->cgroup_path);
	*facts = (struct process_facts){ .pid = 0 };
}

uint64_t
process_facts_start(uint32_t pid)
{
	struct process_facts facts = { .pid = pid };
	int directory = open_process(pid);

	if (directory < 0)
		return 0;
	if (!read_stat(directory, &facts))
		facts.start_ns = 0;
	close(directory);
	return facts.start_ns;
}
