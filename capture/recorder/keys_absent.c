/* SPDX-License-Identifier: Apache-2.0 */
/* A build without the library that takes TLS secrets. */
#include "capture/keys/keys.h"

int
keys_open(const struct keys_options *options, struct keys **k, struct error *e)
{
	(void)options;
	*k = NULL;
	return error_set(e, ERR_UNSUPPORTED,
			 "this build cannot take TLS secrets");
}

int
keys_descriptor(const struct keys *k)
{
	(void)k;
	return -1;
}

int
keys_dispatch(struct keys *k, struct error *e)
{
	(void)k, (void)e;
	return 0;
}

json_t *
keys_describe(const struct keys *k)
{
	(void)k;
	return json_object();
}

void
keys_close(struct keys *k)
{
	(void)k;
}

json_t *
keys_probe(void)
{
	return json_array();
}
