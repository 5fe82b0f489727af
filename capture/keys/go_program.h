/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions of Go programs, stripped ones too: the table that Go's run time
 * itself needs (.gopclntab; runtime/symtab.go, debug/gosym), as Go 1.18 and
 * later write it.  Go 1.17 and older are not read.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "capture/keys/elf_file.h"

enum go_answer {
	GO_NOT_GO,      /* no such table */
	GO_TOO_OLD,     /* a table of Go 1.17 or older */
	GO_DAMAGED,     /* a table that makes no sense */
	GO_NO_FUNCTION, /* the program has no function of that name */
	GO_FOUND,
};

/* Where in the file the code of `name` ("crypto/tls.(*Config).writeKeyLog")
 * lies. */
enum go_answer go_program_function(struct elf_file *f, const char *name,
				   uint64_t *offset);
