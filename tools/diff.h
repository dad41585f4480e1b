/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of `iommuzz diff` share: the run, its programs, its counts. */
#ifndef IOMMUZZ_TOOLS_DIFF_H
#define IOMMUZZ_TOOLS_DIFF_H

#include "fuzz/exec/exec.h"
#include "tools/agent_link.h"
#include "tools/diff_compare.h"
#include "tools/diff_rules.h"
#include "tools/files.h"
#include "tools/gen.h"
#include "tools/vm.h"

/* Counts under names, in the order in which the names came up. */
struct diff_tally {
	struct diff_count {
		char *name;
		uint64_t count;
	} *list;
	size_t count;
};
void diff_tally_add(struct diff_tally *tally, const char *name, uint64_t count);
uint64_t diff_tally_sum(const struct diff_tally *tally);
void diff_tally_free(struct diff_tally *tally);

/* One kind of difference. */
struct diff_found {
	char key[160];
	char *origin; /* of the first program that showed it */
	char *path;   /* of the written program, NULL: not written */
	uint64_t count;
	uint32_t calls; /* of the shortened program */
};

/* (call, errno) pairs reached on both sides, and those that the specification lists. */
struct diff_errnos {
	uint64_t (*reached)[256]; /* per row: by errno */
	struct diff_errno {
		uint16_t row;
		uint8_t error;
		char *spec, *absent; /* absent: why no live machine shows it, or NULL */
	} *listed;
	size_t count;
};
/* Reads the list (conformance/errnos: CALL ERRNO SECTION [not here: REASON]). False after errors.
 */
bool diff_errnos_read(struct diff_errnos *errnos, const char *path);
void diff_errnos_free(struct diff_errnos *errnos);
/* Counts the failures in a trace; weight -1 takes them back. */
void diff_errnos_count(
	struct diff_errnos *errnos, const struct prog *prog, const struct trace *trace, int weight);
/* Prints the table; the number of listed pairs, possible here, that were reached less than `least`
 * times. */
uint32_t diff_errnos_print(const struct diff_errnos *errnos, uint64_t least, FILE *out);
void diff_errnos_json(const struct diff_errnos *errnos, FILE *out);

/* The machine that is compared with: started again when it dies. */
struct diff_machine {
	enum { DIFF_VM, DIFF_LOCAL, DIFF_COMMAND } kind;
	struct vm_config vm_config;
	const struct target_class *target; /* DIFF_LOCAL */
	uint16_t bug;
	const char *command; /* DIFF_COMMAND: a shell command that talks as an agent */
	struct vm vm;
	struct agent_command agent;
	pid_t pid;
	int channel; /* -1: not running */
	unsigned starts;
	struct agent_hello hello;
};
bool diff_machine_start(struct diff_machine *machine, char *reason, size_t size);
void diff_machine_stop(struct diff_machine *machine);

struct diff {
	struct diff_machine machine;
	uint16_t kernel; /* profile */
	/* programs */
	struct gen gen; /* seed and options of generated ones */
	uint64_t programs;
	uint64_t seconds; /* 0: no limit */
	bool standard, minimise;
	struct file_list files;
	/* rules */
	struct rules differences, hazards;
	struct diff_errnos errnos;
	uint64_t least; /* times that each listed errno must be reached */
	const char *folder, *json;
	bool quiet;
	/* where the run stands */
	size_t next_file;
	uint64_t next_number, from_files;
	uint64_t compared, explained, started, busy; /* busy: microseconds of comparing */
	uint32_t machine_deaths;
	struct diff_tally skipped, not_run, explanations;
	struct diff_found *found;
	size_t found_count;
	struct exec *exec; /* the implementation */
};

/*
 * diff_source.c. The next program into an initialised one; its origin as one line. False at the
 * end. Programs that cannot be compared, and hazards, are counted and left out.
 */
bool diff_next(struct diff *diff, struct prog *prog, char *origin, size_t size);
/* Program `number` of the seed, as diff_next gives it. */
void diff_generate(const struct diff *diff, uint64_t number, struct prog *prog);

/* Programs as they travel: the length (uint32_t) of each, and its binary form. */
struct diff_encoded {
	const uint8_t *bytes;
	size_t size;
	uint32_t count;
};

/*
 * diff_judge.c. Runs a suspect on both sides again and records what differs. before: what ran
 * before it in the same process. False: the machine was lost or the run is to end.
 */
bool diff_judge(struct diff *diff, const struct prog *prog, const char *origin,
	const struct diff_encoded *before);
/* The implementation's trace, common part; the caller frees it. */
bool diff_run_here(struct diff *diff, const struct prog *prog, struct trace *here);
/* Counts a difference under its key; true when it is the first. *found is valid until the next. */
bool diff_record(struct diff *diff, const char *key, const char *origin, struct diff_found **found);
/* Writes the text of a found program to the folder, as KEY.prog or KEY-SUFFIX.prog. */
void diff_write(struct diff *diff, struct diff_found *found, const char *suffix, const char *text);

/*
 * diff_unsteady.c. A difference that one program alone does not show: looks for the fewest programs
 * that must run before it, and records all of them. False: the machine was lost.
 */
bool diff_unsteady(struct diff *diff, const struct prog *prog, const char *origin,
	const struct diff_encoded *before);
/* Records that this program took the whole machine down. */
void diff_machine_died(struct diff *diff, const struct prog *prog, const char *origin);
/* Asks the machine for one program, run behind others (NULL: alone). False: it was lost. */
bool diff_ask(struct diff *diff, const struct prog *prog, const struct diff_encoded *before,
	struct diff_answer *answer);
/* Sends programs [0, count), encoded one behind the other with their lengths before them. */
bool diff_send(struct diff *diff, uint32_t type, uint32_t count, const void *bytes, size_t size);
/* The answer, or NULL when the machine was lost. *size: bytes of it. */
void *diff_receive(struct diff *diff, uint32_t type, size_t *size);

/* diff_run.c. Compares everything. False: interrupted, or broken (after a message). */
bool diff_run(struct diff *diff);

/* diff_report.c. */
void diff_progress(const struct diff *diff, bool last);
/* Prints the summary; an exit code. */
int diff_summary(struct diff *diff, bool interrupted);

#endif
