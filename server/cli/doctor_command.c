/* SPDX-License-Identifier: Apache-2.0 */
/*
 * aftertap doctor: one line per thing that matters, "ok", "note" or "FAIL",
 * each with what to do about it.  Exits 1 when something needed is missing.
 */
#include "server/cli/command.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/sandbox.h"
#include "base/text.h"
#include "server/cli/capture_probe.h"

enum finding { FINDING_OK, FINDING_NOTE, FINDING_FAIL };

/* Collected for --json, printed for people. */
struct report {
	const struct cli *cli;
	json_t *list;
	bool failed;
};

static void
report_add(struct report *r, enum finding finding, const char *what,
	   const char *text, const char *fix)
{
	static const char *const names[] = { "ok", "note", "fail" };
	static const char *const colours[] = { "\033[32m", "\033[33m",
					       "\033[31m" };

	r->failed = r->failed || finding == FINDING_FAIL;
	json_array_append_new(
		r->list, json_pack("{s:s,s:s,s:s,s:s?}", "check", what,
				   "result", names[finding], "text", text,
				   "fix", fix));
	if (r->cli->json)
		return;
	printf("%s%-5s%s %-18s %s\n", r->cli->colour ? colours[finding] : "",
	       names[finding], r->cli->colour ? "\033[0m" : "", what, text);
	if (fix)
		printf("%25s-> %s\n", "", fix);
}

static void
check_home(struct report *r)
{
	struct statvfs fs;
	char text[512], size[16];
	uint64_t free_bytes;

	if (access(r->cli->home, R_OK | W_OK | X_OK) != 0) {
		snprintf(text, sizeof(text), "%s is not writable",
			 r->cli->home);
		report_add(r, FINDING_FAIL, "home", text,
			   "choose another with --home or AFTERTAP_HOME");
		return;
	}
	if (statvfs(r->cli->home, &fs) != 0)
		return;
	free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	snprintf(text, sizeof(text), "%s, %s free", r->cli->home,
		 text_format_size(free_bytes, size, sizeof(size)));
	report_add(r, free_bytes < (1ULL << 30) ? FINDING_NOTE : FINDING_OK,
		   "home", text,
		   free_bytes < (1ULL << 30)
			   ? "less than 1 GiB free: delete old snapshots"
			   : NULL);
}

static void
check_sandbox(struct report *r)
{
	struct sandbox_support support = sandbox_probe();
	char text[128];

	snprintf(text, sizeof(text), "Landlock ABI %d, seccomp %s",
		 support.landlock_abi, support.seccomp ? "yes" : "no");
	if (support.landlock_abi > 0 && support.seccomp)
		report_add(r, FINDING_OK, "sandbox", text, NULL);
	else
		report_add(r, FINDING_NOTE, "sandbox", text,
			   "parsers run with fewer walls; a kernel >= 5.13 "
			   "with landlock in its lsm= list has them all");
}

static void
check_dissect_program(struct report *r)
{
	if (strchr(r->cli->dissect_program, '/') &&
	    access(r->cli->dissect_program, X_OK) == 0)
		report_add(r, FINDING_OK, "aftertap-dissect",
			   r->cli->dissect_program, NULL);
	else
		report_add(r, FINDING_FAIL, "aftertap-dissect",
			   "not found beside aftertap",
			   "install both programs into the same directory");
}

/* What recording can do here; without it files can still be imported. */
static void
check_recording(struct report *r)
{
	json_t *checks = capture_probe(r->cli->capture_program), *check;
	size_t i;

	if (!json_is_array(checks))
		report_add(r, FINDING_NOTE, "aftertap-capture",
			   "does not run: nothing can be recorded here",
			   "install it into the directory of aftertap");
	json_array_foreach(checks, i, check) {
		const char *what =
			json_string_value(json_object_get(check, "check"));
		const char *detail =
			json_string_value(json_object_get(check, "detail"));
		const char *fix =
			json_string_value(json_object_get(check, "fix"));
		bool good = json_is_true(json_object_get(check, "ok"));

		report_add(r, good ? FINDING_OK : FINDING_NOTE,
			   what ? what : "?", detail ? detail : "",
			   fix && *fix ? fix : NULL);
	}
	json_decref(checks);
}

static void
check_companions(struct report *r)
{
	if (file_in_path("tcpdump"))
		report_add(r, FINDING_OK, "tcpdump",
			   "can record files to import", NULL);
	else
		report_add(r, FINDING_NOTE, "tcpdump", "not installed",
			   "apt install tcpdump, or bring pcap files from "
			   "elsewhere");
	if (file_in_path("tshark"))
		report_add(r, FINDING_OK, "tshark",
			   "can open segments and exports", NULL);
	else
		report_add(r, FINDING_NOTE, "tshark", "not installed",
			   "apt install tshark to look at exports here");
}

static void
check_machine(struct report *r)
{
	struct utsname name;
	char text[512];

	if (uname(&name) != 0)
		return;
	snprintf(text, sizeof(text), "%s %s, %ld CPUs", name.sysname,
		 name.release, sysconf(_SC_NPROCESSORS_ONLN));
	report_add(r, FINDING_OK, "machine", text, NULL);
}

static void
check_tools(struct report *r)
{
	struct error error = { 0 };

	if (tool_schemas_load(&error) < 0)
		report_add(r, FINDING_FAIL, "tools", error.text,
			   "this build is broken: reinstall");
	else
		report_add(r, FINDING_OK, "tools",
			   "all tool schemas load; \"aftertap mcp-config "
			   "claude\" shows how to connect", NULL);
}

int
command_doctor(const struct cli *cli, int argc, char **argv)
{
	struct report report = { .cli = cli, .list = json_array() };

	(void)argv;
	if (argc > 1)
		return cli_fail(EXIT_USAGE, "doctor takes no arguments");
	check_machine(&report);
	check_home(&report);
	check_dissect_program(&report);
	check_sandbox(&report);
	check_tools(&report);
	check_recording(&report);
	check_companions(&report);
	if (cli->json) {
		json_dumpf(report.list, stdout, JSON_INDENT(2));
		putchar('\n');
	}
	json_decref(report.list);
	return report.failed ? EXIT_FAILED : EXIT_DONE;
}
