/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/keys/probe_link.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DESCRIPTOR_PATH_SIZE 32
#define MULTI_RETURN         1u
#define PERF_TYPE_FILE "/sys/bus/event_source/devices/uprobe/type"

/* union bpf_attr, link_create.uprobe_multi (linux/bpf.h of 6.6). */
struct multi_attributes {
	uint32_t program, target, attach_type, flags;
	uint64_t path, offsets, reference_offsets, cookies;
	uint32_t count, multi_flags, pid, pad;
};

static int
probe_failed(const char *call, struct error *e)
{
	int code = errno == EPERM || errno == EACCES ? ERR_DENIED
		   : errno == EINVAL || errno == EOPNOTSUPP || errno == ENOENT
			   ? ERR_UNSUPPORTED
			   : ERR_IO;

	return error_set(e, code, "%s: %s", call, strerror(errno));
}

static int
probe_multi(int program, const char *path, const struct probe_place *place,
	    uint32_t pid, struct error *e)
{
	struct multi_attributes a = {
		.program = (uint32_t)program,
		.attach_type = PROBE_MULTI_TYPE,
		.path = (uint64_t)(uintptr_t)path,
		.offsets = (uint64_t)(uintptr_t)&place->offset,
		.count = 1,
		.multi_flags = place->returns ? MULTI_RETURN : 0,
		.pid = pid,
	};
	int fd = (int)syscall(SYS_bpf, BPF_LINK_CREATE, &a, sizeof(a));

	if (fd < 0)
		return probe_failed("uprobe_multi", e);
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

/* The number of the kernel's uprobe event source, or an error. */
static int
probe_perf_type(void)
{
	FILE *file = fopen(PERF_TYPE_FILE, "re");
	char text[16];
	long type = 0;

	if (!file)
		return ERR_UNSUPPORTED;
	if (fgets(text, sizeof(text), file))
		type = strtol(text, NULL, 10);
	fclose(file);
	return type > 0 && type < 65536 ? (int)type : ERR_UNSUPPORTED;
}

static int
probe_perf(int program, const char *path, uint64_t offset, bool returns,
	   struct error *e)
{
	struct perf_event_attr a = {
		.size = sizeof(a),
		.config = returns, /* format/retprobe: bit 0 */
		.config1 = (uint64_t)(uintptr_t)path,
		.config2 = offset,
	};
	int type = probe_perf_type(), fd;

	if (type < 0)
		return error_set(e, ERR_UNSUPPORTED,
				 "this kernel has no uprobes");
	a.type = (uint32_t)type;
	fd = (int)syscall(SYS_perf_event_open, &a, -1, 0, -1,
			  PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return probe_failed("perf_event_open", e);
	if (ioctl(fd, PERF_EVENT_IOC_SET_BPF, program) < 0 ||
	    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0) < 0) {
		int status = probe_failed("PERF_EVENT_IOC_SET_BPF", e);

		close(fd);
		return status;
	}
	return fd;
}

/* The descriptor's own name: no path can be swapped meanwhile. */
static void
probe_path(int file, char path[DESCRIPTOR_PATH_SIZE])
{
	snprintf(path, DESCRIPTOR_PATH_SIZE, "/proc/self/fd/%d", file);
}

int
probe_link_attach(enum probe_method method, int program, int file,
		  uint64_t offset, bool returns, struct error *e)
{
	const struct probe_place place = { offset, returns };
	char path[DESCRIPTOR_PATH_SIZE];

	probe_path(file, path);
	return method == PROBE_MULTI
		       ? probe_multi(program, path, &place, 0, e)
		       : probe_perf(program, path, offset, returns, e);
}

int
probe_link_attach_process(int program, int file,
			  const struct probe_place *place, uint32_t pid,
			  struct error *e)
{
	char path[DESCRIPTOR_PATH_SIZE];

	probe_path(file, path);
	return probe_multi(program, path, place, pid, e);
}
