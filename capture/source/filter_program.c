/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/source/filter_program.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <linux/filter.h>

#include "base/alloc.h"
#include "capture/bpf/packet_settings.h"
#include "capture/source/kernel.h"

/* Registers: the classic accumulator, its index, the packet's context. */
#define A BPF_REG_7
#define X BPF_REG_8
#define CONTEXT BPF_REG_6

/* The stack, from the frame pointer down: what a load puts there, a map key,
 * the 16 words of classic memory. */
#define STACK_LOAD (-8)
#define STACK_KEY (-16)
#define STACK_MEMORY (-16 - 4 * BPF_MEMWORDS)

/* Longest translation of one instruction, and room for start and end. */
#define EACH_MAX 16u
#define ENDS_MAX (96u + 2 * EACH_MAX)
/* Jumps reach this far. */
#define REACH INT16_MAX

/*
 * Two passes over the same code: the first only learns where each classic
 * instruction begins, so that the second can jump forward.
 */
struct translation {
	const struct filter *filter;
	const struct filter_target *target;
	int array;
	struct bpf_insn *code;
	size_t count;
	size_t *starts;  /* of classic instructions, and one behind */
	size_t reject;   /* where "no match" begins */
	size_t accept;
	const char *problem;
};

static void
emit(struct translation *t, struct bpf_insn insn)
{
	t->code[t->count++] = insn;
}

static void
emit_alu(struct translation *t, int class, int operation, unsigned to, __s32 k)
{
	emit(t, (struct bpf_insn){ .code = (__u8)(class | operation | BPF_K),
				   .dst_reg = to & 0xfu,
				   .imm = k });
}

static void
emit_alu_register(struct translation *t, int class, int operation, unsigned to,
		  unsigned from)
{
	emit(t, (struct bpf_insn){ .code = (__u8)(class | operation | BPF_X),
				   .dst_reg = to & 0xfu,
				   .src_reg = from & 0xfu });
}

static void
emit_memory(struct translation *t, int code, unsigned to, unsigned from, int offset)
{
	emit(t, (struct bpf_insn){ .code = (__u8)(code | BPF_MEM),
				   .dst_reg = to & 0xfu,
				   .src_reg = from & 0xfu,
				   .off = (__s16)offset });
}

static void
emit_call(struct translation *t, enum bpf_func_id helper)
{
	emit(t, (struct bpf_insn){ .code = BPF_JMP | BPF_CALL,
				   .imm = (__s32)helper });
}

static void
emit_map(struct translation *t, unsigned to, int map)
{
	/* NOLINTNEXTLINE(misc-redundant-expression): BPF_LD and BPF_IMM are 0 */
	emit(t, (struct bpf_insn){ .code = BPF_LD | BPF_DW | BPF_IMM,
				   .dst_reg = to & 0xfu,
				   .src_reg = BPF_PSEUDO_MAP_FD,
				   .imm = map });
	emit(t, (struct bpf_insn){ 0 });
}

/* To an absolute place that the first pass may not know yet. */
static void
emit_jump(struct translation *t, struct bpf_insn insn, size_t place)
{
	long distance = (long)place - (long)t->count - 1;

	if (distance > REACH || distance < -REACH) {
		t->problem = "it is too long";
		distance = 0;
	}
	insn.off = (__s16)distance;
	emit(t, insn);
}

static void
emit_goto(struct translation *t, size_t place)
{
	emit_jump(t, (struct bpf_insn){ .code = BPF_JMP | BPF_JA }, place);
}

/* 32 bits compared with a constant. */
static void
emit_jump_if(struct translation *t, int operation, unsigned what, __u32 k,
	     size_t place)
{
	emit_jump(t,
		  (struct bpf_insn){ .code = (__u8)(BPF_JMP32 | operation |
						    BPF_K),
				     .dst_reg = what & 0xfu,
				     .imm = (__s32)k },
		  place);
}

static __s32
load_size(int code)
{
	return BPF_SIZE(code) == BPF_W ? 4 : BPF_SIZE(code) == BPF_H ? 2 : 1;
}

/* Packet bytes at k (+ X) into register `to`, or no match. */
static void
emit_load(struct translation *t, const struct filter_code *c, unsigned to)
{
	__s32 size = load_size(c->code);

	emit_alu_register(t, BPF_ALU64, BPF_MOV, BPF_REG_1, CONTEXT);
	if (BPF_MODE(c->code) == BPF_IND) {
		emit_alu_register(t, BPF_ALU, BPF_MOV, BPF_REG_2, X);
		emit_alu(t, BPF_ALU, BPF_ADD, BPF_REG_2, (__s32)c->k);
	} else {
		emit_alu(t, BPF_ALU, BPF_MOV, BPF_REG_2, (__s32)c->k);
	}
	emit_alu_register(t, BPF_ALU64, BPF_MOV, BPF_REG_3, BPF_REG_10);
	emit_alu(t, BPF_ALU64, BPF_ADD, BPF_REG_3, STACK_LOAD);
	emit_alu(t, BPF_ALU64, BPF_MOV, BPF_REG_4, size);
	emit_call(t, BPF_FUNC_skb_load_bytes);
	emit_jump(t,
		  (struct bpf_insn){ .code = BPF_JMP | BPF_JNE | BPF_K,
				     .dst_reg = BPF_REG_0 },
		  t->reject);
	emit_memory(t, BPF_LDX | BPF_SIZE(c->code), to, BPF_REG_10,
		    STACK_LOAD);
	if (size > 1)
		emit(t, (struct bpf_insn){
				.code = BPF_ALU | BPF_END | BPF_TO_BE,
				.dst_reg = to & 0xfu,
				.imm = size * 8 });
}

static int
memory_at(const struct filter_code *c)
{
	return STACK_MEMORY + 4 * (int)(c->k % BPF_MEMWORDS);
}

static void
translate_load(struct translation *t, const struct filter_code *c, unsigned to)
{
	switch (BPF_MODE(c->code)) {
	case BPF_IMM:
		emit_alu(t, BPF_ALU, BPF_MOV, to, (__s32)c->k);
		break;
	case BPF_LEN:
		emit_memory(t, BPF_LDX | BPF_W, to, CONTEXT,
			    offsetof(struct __sk_buff, len));
		break;
	case BPF_MEM:
		emit_memory(t, BPF_LDX | BPF_W, to, BPF_REG_10, memory_at(c));
		break;
	case BPF_MSH:
		emit_load(t, c, X);
		emit_alu(t, BPF_ALU, BPF_AND, X, 0xf);
		emit_alu(t, BPF_ALU, BPF_LSH, X, 2);
		break;
	case BPF_ABS:
	case BPF_IND:
		/* Negative offsets are the kernel's own data, which a filter
		 * that was compiled for a file has no use for. */
		if ((__s32)c->k < 0 && BPF_MODE(c->code) == BPF_ABS)
			t->problem = "it asks for data beside the packet";
		emit_load(t, c, to);
		break;
	default:
		t->problem = "it loads in an unknown way";
	}
}

/* A shift by 32 or more leaves nothing in classic BPF. */
static void
translate_shift_by_x(struct translation *t, int operation)
{
	emit_jump_if(t, BPF_JLE, X, 31, t->count + 3);
	emit_alu(t, BPF_ALU, BPF_MOV, A, 0);
	emit_goto(t, t->count + 2);
	emit_alu_register(t, BPF_ALU, operation, A, X);
}

static void
translate_alu(struct translation *t, const struct filter_code *c)
{
	int operation = BPF_OP(c->code);
	bool shift = operation == BPF_LSH || operation == BPF_RSH;
	bool divide = operation == BPF_DIV || operation == BPF_MOD;

	if (operation == BPF_NEG) {
		emit_alu(t, BPF_ALU, BPF_NEG, A, 0);
		return;
	}
	if (BPF_SRC(c->code) == BPF_X) {
		if (divide)
			emit_jump_if(t, BPF_JEQ, X, 0, t->reject);
		if (shift)
			translate_shift_by_x(t, operation);
		else
			emit_alu_register(t, BPF_ALU, operation, A, X);
		return;
	}
	if (divide && c->k == 0)
		emit_goto(t, t->reject);
	else if (shift && c->k > 31)
		emit_alu(t, BPF_ALU, BPF_MOV, A, 0);
	else
		emit_alu(t, BPF_ALU, operation, A, (__s32)c->k);
}

static size_t
jump_place(struct translation *t, size_t from, size_t distance)
{
	size_t to = from + 1 + distance;

	if (to < t->filter->count)
		return t->starts[to];
	t->problem = "it loops or jumps out of itself";
	return t->count;
}

static void
translate_jump(struct translation *t, const struct filter_code *c, size_t at)
{
	struct bpf_insn insn = {
		.code = (__u8)(BPF_JMP32 | BPF_OP(c->code) | BPF_SRC(c->code)),
		.dst_reg = A,
	};

	if (BPF_OP(c->code) == BPF_JA) {
		emit_goto(t, jump_place(t, at, c->k));
		return;
	}
	if (BPF_SRC(c->code) == BPF_X)
		insn.src_reg = X;
	else
		insn.imm = (__s32)c->k;
	emit_jump(t, insn, jump_place(t, at, c->jump_true));
	if (c->jump_false)
		emit_goto(t, jump_place(t, at, c->jump_false));
}

static void
translate_return(struct translation *t, const struct filter_code *c)
{
	if (BPF_RVAL(c->code) == BPF_A) {
		emit_jump_if(t, BPF_JEQ, A, 0, t->reject);
		emit_goto(t, t->accept);
	} else {
		emit_goto(t, c->k ? t->accept : t->reject);
	}
}

static void
translate_one(struct translation *t, size_t at)
{
	const struct filter_code *c = &t->filter->code[at];

	switch (BPF_CLASS(c->code)) {
	case BPF_LD:
		translate_load(t, c, A);
		break;
	case BPF_LDX:
		translate_load(t, c, X);
		break;
	case BPF_ST:
		emit_memory(t, BPF_STX | BPF_W, BPF_REG_10, A, memory_at(c));
		break;
	case BPF_STX:
		emit_memory(t, BPF_STX | BPF_W, BPF_REG_10, X, memory_at(c));
		break;
	case BPF_ALU:
		translate_alu(t, c);
		break;
	case BPF_JMP:
		translate_jump(t, c, at);
		break;
	case BPF_RET:
		translate_return(t, c);
		break;
	default: /* BPF_MISC */
		if (BPF_MISCOP(c->code) == BPF_TAX)
			emit_alu_register(t, BPF_ALU, BPF_MOV, X, A);
		else
			emit_alu_register(t, BPF_ALU, BPF_MOV, A, X);
	}
}

/* Registers and memory begin as zeroes. */
static void
translate_start(struct translation *t)
{
	emit_alu_register(t, BPF_ALU64, BPF_MOV, CONTEXT, BPF_REG_1);
	emit_alu(t, BPF_ALU64, BPF_MOV, A, 0);
	emit_alu(t, BPF_ALU64, BPF_MOV, X, 0);
	for (int i = 0; i < BPF_MEMWORDS / 2; i++)
		emit_memory(t, BPF_STX | BPF_DW, BPF_REG_10, A,
			    STACK_MEMORY + 8 * i);
}

/* Adds one to element `which` of the totals and lets the packet pass. */
static void
translate_leave(struct translation *t, enum packet_total which)
{
	emit(t, (struct bpf_insn){ .code = BPF_ST | BPF_MEM | BPF_W,
				   .dst_reg = BPF_REG_10,
				   .off = STACK_KEY,
				   .imm = (__s32)which });
	emit_map(t, BPF_REG_1, t->target->totals);
	emit_alu_register(t, BPF_ALU64, BPF_MOV, BPF_REG_2, BPF_REG_10);
	emit_alu(t, BPF_ALU64, BPF_ADD, BPF_REG_2, STACK_KEY);
	emit_call(t, BPF_FUNC_map_lookup_elem);
	emit_jump(t,
		  (struct bpf_insn){ .code = BPF_JMP | BPF_JEQ | BPF_K,
				     .dst_reg = BPF_REG_0 },
		  t->count + 3);
	emit_alu(t, BPF_ALU64, BPF_MOV, BPF_REG_1, 1);
	emit(t, (struct bpf_insn){ .code = BPF_STX | BPF_ATOMIC | BPF_DW,
				   .dst_reg = BPF_REG_0,
				   .src_reg = BPF_REG_1,
				   .imm = BPF_ADD });
	emit_alu(t, BPF_ALU64, BPF_MOV, BPF_REG_0, t->target->pass);
	emit(t, (struct bpf_insn){ .code = BPF_JMP | BPF_EXIT });
}

static void
translate_pass(struct translation *t)
{
	t->count = 0;
	translate_start(t);
	for (size_t i = 0; i < t->filter->count; i++) {
		t->starts[i] = t->count;
		translate_one(t, i);
	}
	t->reject = t->count;
	translate_leave(t, PACKET_FILTERED);
	t->accept = t->count;
	emit_alu_register(t, BPF_ALU64, BPF_MOV, BPF_REG_1, CONTEXT);
	emit_map(t, BPF_REG_2, t->array);
	emit_alu(t, BPF_ALU64, BPF_MOV, BPF_REG_3, 0);
	emit_call(t, BPF_FUNC_tail_call);
	translate_leave(t, PACKET_LOST_CALL);
}

int
filter_translate(const struct filter *f, const struct filter_target *target,
		 int array, struct bpf_insn **code, size_t *count,
		 struct error *e)
{
	struct translation t = {
		.filter = f,
		.target = target,
		.array = array,
		.code = alloc_zero(f->count * EACH_MAX + ENDS_MAX,
				   sizeof *t.code),
		.starts = alloc_zero(f->count + 1, sizeof *t.starts),
	};

	translate_pass(&t);
	/* What the first pass said of jumps it could not know yet is void. */
	t.problem = NULL;
	translate_pass(&t);
	free(t.starts);
	if (t.problem) {
		free(t.code);
		return error_set(e, ERR_UNSUPPORTED,
				 "the filter cannot run in the kernel: %s",
				 t.problem);
	}
	*code = t.code;
	*count = t.count;
	return 0;
}

int
filter_load(const struct filter *f, const struct filter_target *target,
	    int *program, int *array, struct error *e)
{
	struct bpf_prog_load_opts options;
	struct bpf_insn *code = NULL;
	size_t count = 0;
	const int first = 0;
	int status;

	memset(&options, 0, sizeof options); /* padding too: libbpf looks */
	options.sz = sizeof options;
	options.expected_attach_type = target->attach;
	*array = bpf_map_create(BPF_MAP_TYPE_PROG_ARRAY, "packet_filter",
				sizeof(int), sizeof(int), 1, NULL);
	if (*array < 0)
		return kernel_explain(e, errno, "", "an array of programs");
	status = filter_translate(f, target, *array, &code, &count, e);
	if (status == 0) {
		*program = bpf_prog_load(target->type, "packet_filter", "GPL",
					 code, count, &options);
		if (*program < 0)
			status = kernel_explain(e, errno, "",
						"the packet filter");
		else if (bpf_map_update_elem(*array, &first, &target->capture,
					     BPF_ANY) < 0)
			status = kernel_explain(e, errno, "",
						"the packet filter's target");
		if (status < 0 && *program >= 0)
			close(*program);
	}
	free(code);
	if (status < 0) {
		close(*array);
		*array = *program = -1;
	}
	return status;
}
