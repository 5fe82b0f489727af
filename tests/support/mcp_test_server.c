/* SPDX-License-Identifier: Apache-2.0 */
/* A server with fake tools over the real core and loop: on standard input and
 * output, or with an address as its argument, over HTTP. */
#include "server/serve.h"
#include "server/serve_options.h"
#include "server/transport/http_server.h"
#include "tests/support/fake_tools.h"

int
main(int argc, char **argv)
{
	static const struct tool_config config = { .home = "/nonexistent",
						   .lifeline = -1 };
	struct serve_options options = { .config = &config };
	struct mcp_content content;
	int status;

	fake_content_load(&content);
	options.content = &content;
	if (argc > 1)
		status = serve_http(&options, &(struct http_options){
						      .address = argv[1],
					      });
	else
		status = serve_stdio(&options);
	fake_content_free(&content);
	return status;
}
