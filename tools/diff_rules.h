/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules about programs, kept as data: explained differences (conformance/differences) and hazards
 * (conformance/hazards). A record is a block of lines, one `KEY VALUE` each; blank lines and '#'
 * separate. docs/LIVE.md describes both files.
 *
 *     difference NAME            hazard NAME
 *     call ROW                   call ROW
 *     what result A B            harm hang|corrupt|crash
 *     when FIELD=N FIELD&N ...   conditions on the call's fields
 *     after ROW FIELD=N ...      an earlier call; several lines allowed
 *     kernels 6.12..7.3          first and last series
 *     reason TEXT
 */
#ifndef IOMMUZZ_TOOLS_DIFF_RULES_H
#define IOMMUZZ_TOOLS_DIFF_RULES_H

#include "fuzz/exec/trace.h"
#include "fuzz/prog/prog.h"

enum rule_kind { RULE_DIFFERENCE, RULE_HAZARD };

/* What differs between two traces at one call. */
enum diff_what { DIFF_RESULT, DIFF_FIELD, DIFF_MEMORY, DIFF_ORDER, DIFF_MACHINE };

struct rule_condition {
	uint8_t field; /* of the row */
	char test;     /* = ! < > &; h: any handle, m: any place in mem, u: unset */
	uint64_t number;
};

#define RULE_CONDITIONS 6
#define RULE_AFTERS	4

struct rule_call {
	uint16_t row;
	uint8_t count;
	struct rule_condition conditions[RULE_CONDITIONS];
};

struct rule {
	char *name, *reason;
	struct rule_call call, after[RULE_AFTERS];
	uint8_t after_count;
	uint8_t what;	     /* enum diff_what; differences only */
	int64_t here, there; /* DIFF_RESULT: negative errno or INT64_MAX for success, in-process and
				live */
	uint8_t field;	     /* DIFF_FIELD: of the row */
	char report[64];     /* DIFF_MACHINE: part of the key that the kernel's report has */
	uint16_t first, last; /* LINUX(..) */
	uint32_t line;
	uint64_t seen;
};

struct rules {
	enum rule_kind kind;
	struct rule *list;
	size_t count;
};

/*
 * Reads a file of records of one kind. False after errors that name file and line: unknown words,
 * records without reason, or without a range of kernels that ends at the newest profile or before;
 * hazards that do not say what they do to the kernel; and differences without a condition that
 * names a state (a number, a bit, an earlier call), since those would explain a whole call or
 * errno.
 */
bool rules_read(struct rules *rules, enum rule_kind kind, const char *path);
void rules_free(struct rules *rules);

/* The first hazard of that kernel that the program runs into, or NULL. */
struct rule *rules_hazard(struct rules *rules, const struct prog *prog, uint16_t kernel);

/* A difference at call `call` as rules see it. */
struct rule_subject {
	const struct prog *prog;
	const struct trace *here; /* earlier calls count when they succeeded in it */
	uint16_t kernel, call;
	uint8_t what, field;
	int64_t result_here, result_there;
	const char *key; /* struct difference.key: what reports are told apart by */
};
/* The record that explains it, or NULL. */
struct rule *rules_explain(struct rules *rules, const struct rule_subject *subject);

#endif
