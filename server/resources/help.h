/* SPDX-License-Identifier: Apache-2.0 */
/* The text of aftertap://filter. */
#pragma once

/* schema/help/filter.md and the table of fields, as Markdown; free(3). */
char *help_filter(void);
