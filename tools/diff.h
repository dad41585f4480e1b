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
	int channel;	/* -1: not running */
	bool silent;	/* it did not answer in time */
	bool abandoned; /* nobody listens to it any more */
	unsigned starts;
	struct agent_hello hello;
};
bool diff_machine_start(struct diff_machine *machine, char *reason, size_t size);
void diff_machine_stop(struct diff_machine *machine);

struct diff {
	struct diff_machine machine;
	uint16_t kernel; /* profile */
	/* programs */
	struct gen gen;	   /* seed and options of generated ones */
	uint64_t programs; /* generated ones to compare */
	uint64_t seconds;  /* 0: no limit */
	bool standard, minimise;
	uint16_t call_seconds; /* longest time of one call, at most 10; 0: 10 */
	bool only;	       /* program gen.first and no other */
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
	uint64_t accepted;   /* generated programs that were, or may still be, compared */
	uint64_t barren;     /* generated programs in a row that could not be */
	uint64_t unanswered; /* programs on their way when the time was over */
	uint32_t machine_deaths, unreadable, lost_folders, report_restarts;
	bool recovering; /* --seconds do not end what names a program that killed a machine */
	bool late;	 /* the machine was given up because the time was over */
	struct diff_tally skipped, not_run, explanations;
	struct diff_found *found;
	size_t found_count;
	struct exec *exec; /* the implementation */
};

/* Generated programs in a row that rules or targets refuse, before a run gives up. */
#define DIFF_BARREN_MAX 100000u

/*
 * diff_source.c. The next program into an initialised one; its origin as one line; whether it was
 * generated. False at the end: `programs` are accepted, the time is over, or too many in a row were
 * refused. Programs that cannot be compared, and hazards, are counted and left out.
 */
bool diff_next(struct diff *diff, struct prog *prog, char *origin, size_t size, bool *generated);
/* A generated program that was accepted could not be compared after all. */
void diff_give_back(struct diff *diff);
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
 * before it in the same process. report: what the kernel said of it in its batch, or NULL. False:
 * the machine was lost or the run is to end.
 */
struct diff_report;
bool diff_judge(struct diff *diff, const struct prog *prog, const char *origin,
	const struct diff_encoded *before, const struct diff_report *report);
/* Whether a record explains the difference; then it is counted. */
bool diff_explained(struct diff *diff, const struct prog *prog, const struct trace *here,
	const struct difference *difference);
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
/*
 * diff_talk.c. Sends programs [0, count), encoded one behind the other with their lengths before
 * them. False when the machine was lost, or did not read (machine.silent).
 */
bool diff_send(struct diff *diff, uint32_t type, uint32_t count, const void *bytes, size_t size);
/*
 * The answer, or NULL when the machine was lost: gone, or 30 s without a sign of progress
 * (machine.silent), or the time was over and it did not answer (late).
 */
void *diff_receive(struct diff *diff, uint32_t type, size_t *size);
/* Whether --seconds are over. */
bool diff_time_up(const struct diff *diff);

/* diff_lost.c. A fresh machine in place of a dead one; false after a message. */
bool diff_restart(struct diff *diff);
/* A program that was sent; what it points to is the caller's. */
struct diff_sent {
	const uint8_t *bytes; /* binary form */
	uint32_t size;
	const char *origin;
	bool left_out;
};
/*
 * Records and writes programs that a machine did not live through together. look: tries them once
 * more on the machine that runs, and looks for the fewest that kill it.
 */
void diff_lost(
	struct diff *diff, struct diff_sent *list, uint32_t count, const char *why, bool look);
/*
 * Writes those that are not left out as DIR/KEY-together-N/NUMBER.prog and .bin; the path (to be
 * freed), or NULL: no folder, or too many.
 */
char *diff_write_together(
	struct diff *diff, const char *key, const struct diff_sent *list, uint32_t count);

/* A report of the kernel that came while programs ran. */
struct diff_report {
	char title[DIFF_REASON_SIZE], text[4096];
};
/*
 * diff_reported.c. A report that came once, and not when the programs ran again: many come only
 * once in the life of a kernel. Runs them one by one on a fresh machine, and records the report
 * under its own name with the program that caused it, or with all. False: no machine any more.
 */
bool diff_reported(struct diff *diff, const struct diff_report *report, struct diff_sent *list,
	uint32_t count);

/* diff_run.c. Compares everything. False: interrupted, or broken (after a message). */
bool diff_run(struct diff *diff);
/* Everything that a run has gathered, with its rules and files. */
void diff_free(struct diff *diff);

/* diff_report.c. */
void diff_progress(const struct diff *diff, bool last);
/* Prints the summary; an exit code. */
int diff_summary(struct diff *diff, bool interrupted);

#endif
