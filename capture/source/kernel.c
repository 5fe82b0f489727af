/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/kernel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include "base/alloc.h"

/* Later than some of the headers that we are built with. */
#ifndef CAP_BPF
#define CAP_BPF 39
#endif

/* The inode number of a cgroup file system's root. */
#define CGROUP_ROOT_INODE 1

bool
kernel_capable(int capability)
{
	cap_t caps = cap_get_proc();
	cap_flag_value_t value = CAP_CLEAR;

	if (!caps)
		return false;
	if (cap_get_flag(caps, capability, CAP_EFFECTIVE, &value) < 0)
		value = CAP_CLEAR;
	cap_free(caps);
	return value == CAP_SET;
}

bool
kernel_has_helper(enum bpf_prog_type type, enum bpf_attach_type expected,
		  enum bpf_func_id helper)
{
	struct bpf_prog_load_opts options;
	const struct bpf_insn code[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = (__s32)helper },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	int program;

	memset(&options, 0, sizeof options); /* padding too: libbpf looks */
	options.sz = sizeof options;
	options.expected_attach_type = expected;
	program = bpf_prog_load(type, "probe", "GPL", code,
				sizeof code / sizeof *code, &options);
	if (program < 0)
		return false;
	close(program);
	return true;
}

/* Where a member of 64 bits is, in bits; 0: there is none. */
static uint32_t
member_offset(const struct btf *btf, const struct btf_type *type,
	      const char *name)
{
	for (uint32_t i = 0; i < btf_vlen(type); i++) {
		const struct btf_member *member = btf_members(type) + i;
		const char *is = btf__name_by_offset(btf, member->name_off);

		if (strcmp(is, name) == 0 &&
		    btf__resolve_size(btf, member->type) == sizeof(uint64_t))
			return btf_member_bit_offset(type, i);
	}
	return 0;
}

size_t
kernel_ring_complete(void)
{
	const uint32_t page_bits = (uint32_t)sysconf(_SC_PAGESIZE) * 8;
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf ? btf__find_by_name_kind(btf, "bpf_ringbuf",
					      BTF_KIND_STRUCT)
		     : -1;
	uint32_t reserved = 0, complete = 0;

	if (id > 0) {
		const struct btf_type *type =
			btf__type_by_id(btf, (uint32_t)id);

		reserved = member_offset(btf, type, "producer_pos");
		complete = member_offset(btf, type, "pending_pos");
	}
	btf__free(btf);
	/* In the same page, or it is not mapped where we look. */
	if (reserved == 0 || complete <= reserved ||
	    complete / page_bits != reserved / page_bits || complete % 64)
		return 0;
	return (complete - reserved) / 8;
}

/* The last line of the log that says something: the verifier ends with its
 * statistics. */
static void
log_last_line(const char *log, char *out, size_t size)
{
	const char *end = log + strlen(log);

	out[0] = '\0';
	while (end > log) {
		const char *begin = end;

		while (begin > log && begin[-1] != '\n')
			begin--;
		if (end > begin && strncmp(begin, "processed ", 10) != 0 &&
		    strncmp(begin, "verification ", 13) != 0 &&
		    strncmp(begin, "stack depth", 11) != 0) {
			snprintf(out, size, "%.*s", (int)(end - begin), begin);
			return;
		}
		end = begin > log ? begin - 1 : log;
	}
}

int
kernel_explain(struct error *e, int error_number, const char *log,
	       const char *what)
{
	char line[200];

	log_last_line(log, line, sizeof line);
	if (error_number != EPERM && error_number != EACCES)
		return error_set(e, ERR_UNSUPPORTED,
				 "%s: this kernel does not take it: %s%s%s", what,
				 strerror(error_number), line[0] ? ": " : "",
				 line);
	if (line[0])
		return error_set(e, ERR_DENIED, "%s: refused by the "
				 "verifier: %s", what, line);
	if (!kernel_capable(CAP_SYS_ADMIN) &&
	    !(kernel_capable(CAP_BPF) && kernel_capable(CAP_NET_ADMIN)))
		return error_set(e, ERR_DENIED,
				 "%s: CAP_BPF and CAP_NET_ADMIN are missing; "
				 "run as root or give the program both", what);
	return error_set(e, ERR_DENIED,
			 "%s: refused before the kernel looked at it (%s, "
			 "and the verifier's log is empty) although the "
			 "capabilities are there: a seccomp filter of a "
			 "container, a security module or a kernel built or "
			 "locked down without it",
			 what, strerror(error_number));
}

static bool
is_octal(char c)
{
	return c >= '0' && c <= '7';
}

/* Undoes the octal escapes of mountinfo in place. */
static void
mount_unescape(char *text)
{
	char *to = text;

	for (char *from = text; *from; from++) {
		if (from[0] == '\\' && is_octal(from[1]) &&
		    is_octal(from[2]) && is_octal(from[3])) {
			*to++ = (char)((from[1] - '0') << 6 |
				       (from[2] - '0') << 3 | (from[3] - '0'));
			from += 3;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

/* The mount point of the first cgroup2 in /proc/self/mountinfo, or NULL. */
static char *
cgroup_mount(void)
{
	FILE *file = fopen("/proc/self/mountinfo", "re");
	char *line = NULL, *found = NULL;
	size_t size = 0;

	while (file && !found && getline(&line, &size, file) > 0) {
		char point[4096];

		if (!strstr(line, " - cgroup2 ") ||
		    sscanf(line, "%*s %*s %*s %*s %4095s", point) != 1)
			continue;
		mount_unescape(point);
		found = alloc_string(point);
	}
	free(line);
	if (file)
		fclose(file);
	return found;
}

/* A mount of our own that no path leads to, for hosts that use version 1 alone
 * and where /sys was mounted over (ip netns exec does). */
static int
cgroup_mount_private(void)
{
	int context = fsopen("cgroup2", FSOPEN_CLOEXEC);
	int mount = -1;

	if (context >= 0 &&
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) == 0)
		mount = fsmount(context, FSMOUNT_CLOEXEC, 0);
	if (context >= 0)
		close(context);
	return mount;
}

int
kernel_cgroup_root(char **path, bool *whole, struct error *e)
{
	struct stat about;
	int fd;

	*path = cgroup_mount();
	if (*path) {
		fd = open(*path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	} else {
		*path = alloc_string("cgroup2, mounted for this alone");
		fd = cgroup_mount_private();
		if (fd < 0)
			return error_set(e, ERR_NOTFOUND,
					 "no cgroup2 file system is mounted "
					 "here: mount one (mount -t cgroup2 "
					 "none /mnt), or capture by "
					 "interface");
	}
	if (fd < 0 || fstat(fd, &about) < 0) {
		int saved = errno;

		if (fd >= 0)
			close(fd);
		return error_set_errno(e, saved, "opening %s", *path);
	}
	*whole = about.st_ino == CGROUP_ROOT_INODE;
	return fd;
}
