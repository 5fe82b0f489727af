/* SPDX-License-Identifier: Apache-2.0 */
/* A server with fake tools over the real core and loop. */
#include "server/serve.h"
#include "tests/support/fake_tools.h"

int
main(void)
{
	static const struct tool_config config = { .home = "/nonexistent",
						   .lifeline = -1 };
	struct mcp_content content;
	int status;

	fake_content_load(&content);
	status = serve_stdio(&(struct serve_options){
		.config = &config,
		.content = &content,
	});
	fake_content_free(&content);
	return status;
}
