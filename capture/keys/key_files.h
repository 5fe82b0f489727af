/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs and libraries that are probed: found by what processes map,
 * each once by (device, inode), let go when no process maps it any more.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "capture/keys/key_event.h"
#include "capture/keys/key_hooks.h"
#include "capture/keys/probe_link.h"

struct key_files;

struct key_files_settings {
	const char *proc; /* borrowed for life */
	uint32_t files_max;
	enum probe_method method;
	int programs[KEY_PROGRAM_COUNT]; /* loaded BPF programs */
	int known_files; /* map of struct key_file, or -1 */
};

/* An empty table; free with key_files_free (NULL allowed), which detaches. */
struct key_files *key_files_new(const struct key_files_settings *settings);
void key_files_free(struct key_files *f);

/* Attaches to the system's own libraries whether or not they are in use, so
 * that a program that starts and ends within milliseconds is covered. */
void key_files_add_system(struct key_files *f);

/* Looks at all processes, or at one. */
void key_files_look_all(struct key_files *f);
void key_files_look(struct key_files *f, uint32_t pid);

/* A program that was started could not be noted: all are looked at soon. */
void key_files_missed(struct key_files *f);

/*
 * Why programs cannot be probed takes long to see, and is looked for when there
 * is nothing to attach to: whether it is to be looked for of any, and the look
 * at one of them.
 */
bool key_files_unasked(const struct key_files *f);
void key_files_ask(struct key_files *f);

/* To be called about once a second: lets go what nobody maps any more. */
void key_files_tick(struct key_files *f);

/* Adds "files" and "not_covered" as keys_describe has them. */
void key_files_describe(const struct key_files *f, json_t *into);
