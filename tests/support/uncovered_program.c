/* SPDX-License-Identifier: Apache-2.0 */
/* A program that seems to speak TLS and has no function to ask for secrets;
 * lives from the line that it says until its standard input ends. */
#include <stdio.h>

int
main(void)
{
	puts("not rustls, but its name");
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
