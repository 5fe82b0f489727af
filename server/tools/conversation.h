/* SPDX-License-Identifier: Apache-2.0 */
/* From a call to the packets of its connection. */
#pragma once

#include "capture/export.h"
#include "dissect/store/store.h"

/* The connection that carried call `id`, whole; NOTFOUND. */
int conversation_of_call(struct store *s, int64_t id,
			 struct export_conversation *c, struct error *e);
