/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/filter_code.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/pcap.h>

#include "base/alloc.h"
#include "capture/link_types.h"
#include "capture/source/raw_record.h"

/* libpcap's number for what a file calls `link_type`. */
static int
filter_dlt(uint16_t link_type)
{
	return link_type == LINK_TYPE_RAW ? DLT_RAW : link_type;
}

static void
filter_copy(struct filter *f, const struct bpf_program *program)
{
	f->count = program->bf_len;
	f->code = alloc_zero(f->count, sizeof *f->code);
	for (size_t i = 0; i < f->count; i++)
		f->code[i] = (struct filter_code){
			program->bf_insns[i].code, program->bf_insns[i].jt,
			program->bf_insns[i].jf, program->bf_insns[i].k
		};
}

int
filter_compile(const char *expression, uint16_t link_type, struct filter *f,
	       struct error *e)
{
	struct bpf_program program;
	pcap_t *pcap = pcap_open_dead(filter_dlt(link_type), RAW_PACKET_MAX);
	char name[LINK_TYPE_TEXT];
	int status = 0;

	memset(f, 0, sizeof *f);
	if (!pcap)
		return error_set(e, ERR_INTERNAL, "libpcap does not start");
	if (pcap_compile(pcap, &program, expression, 1,
			 PCAP_NETMASK_UNKNOWN) < 0) {
		status = error_set(e, ERR_INVALID,
				   "the filter \"%s\" (%s packets): %s",
				   expression, link_type_name(link_type, name),
				   pcap_geterr(pcap));
	} else if (program.bf_len > FILTER_CODE_MAX) {
		status = error_set(e, ERR_LIMIT,
				   "the filter is too long for the kernel");
		pcap_freecode(&program);
	} else {
		filter_copy(f, &program);
		pcap_freecode(&program);
	}
	pcap_close(pcap);
	return status;
}

void
filter_free(struct filter *f)
{
	free(f->code);
	memset(f, 0, sizeof *f);
}

bool
filter_needs_tags(const char *expression)
{
	const char *at = expression;

	while ((at = strstr(at, "vlan"))) {
		bool begins = at == expression ||
			      !isalnum((unsigned char)at[-1]);

		if (begins && !isalnum((unsigned char)at[4]))
			return true;
		at += 4;
	}
	return false;
}
