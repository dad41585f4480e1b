/* SPDX-License-Identifier: Apache-2.0 */
/* Tests are programs with expectations: loading them, running one, judging what it did. */
#ifndef IOMMUZZ_TOOLS_SUITE_H
#define IOMMUZZ_TOOLS_SUITE_H

#include <signal.h>

#include "fuzz/exec/exec.h"
#include "fuzz/exec/target_live.h"
#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/text.h"
#include "tools/schedules.h"

enum test_status {
	TEST_PASS,
	TEST_FAIL,
	TEST_SKIP,
	TEST_KNOWN_FAIL, /* failed as its header says: no failure of the run */
	TEST_KNOWN_PASS, /* passed although its header says it fails: a failure */
	TEST_BROKEN,	 /* could not be run at all: the harness or the program is wrong */
};

struct test {
	char *id;
	char *path;    /* NULL: made up, as the framing tests are */
	char *broken;  /* why it cannot be run, or NULL */
	char *skipped; /* why it is not run, or NULL */
	struct prog_text text;
};

struct suite {
	struct test *tests;
	size_t count;
};

/* Plain data without pointers: results cross a pipe. Texts are empty when they do not apply. */
struct test_result {
	uint32_t test; /* index in the suite */
	uint32_t line, microseconds;
	uint8_t status;	  /* enum test_status */
	bool expectation; /* an expectation was not met (as opposed to an oracle's finding) */
	uint16_t oracle;  /* enum oracle_kind of the finding, 0 none */
	char reason[160]; /* of a skip or known failure */
	char message[420], expected[120], got[120], call[240], rule[64];
	/* Of a program with threads: schedules run, left out as repetitions; when it failed, the
	 * last one run did, by these forced switches ("" if they are too many to tell). */
	uint64_t schedules, left_out;
	uint64_t undecided; /* searches of the model that were given up */
	uint32_t outcomes;  /* different ones */
	bool explored;	    /* all schedules of the bound were run, and passed */
	char schedule[700]; /* "schedule: A.2@lock(iova_rwsem)#1 -> B" */
	char unshown[200];  /* alternatives that no schedule gave; with verbose */
};

struct suite_config {
	const struct target_class *target;
	uint16_t kernel; /* profile of programs that name none */
	uint16_t bug;
	uint32_t oracles;   /* enum oracle_kind; only with the implementation as target */
	const char *filter; /* glob over ids, NULL: all */
	/*
	 * The running kernel when it is the target: every test has a process of its own, oracles
	 * are off, and what the machine lacks is a skip. NULL: a machine inside the process.
	 */
	const struct live_probe *probe;
	uint32_t devices; /* real devices that programs may use (--device) */
	unsigned repeats; /* of programs with threads on the real kernel, 0: 20 */
	/* Of programs with threads that have none of their own; not on the real kernel. */
	struct schedules schedules;
	bool verbose;
};

/*
 * Appends the programs of a file, of a folder or of standard input ("-") whose id the filter takes;
 * broken ones too, and a program without any call is broken. False after an error.
 */
bool suite_load(struct suite *suite, const char *path, const struct suite_config *config);
/* The same for what is compiled in: conformance and regressions, in the order of the source tree.
 */
void suite_load_embedded(struct suite *suite, const struct suite_config *config);
/* Appends a program given as text, which must parse. */
void suite_add_source(
	struct suite *suite, const char *id, const char *source, const struct suite_config *config);
/* Appends a test that is skipped with that reason. */
void suite_add_skipped(
	struct suite *suite, const char *id, const char *reason, const struct suite_config *config);
void suite_free(struct suite *suite);
/* Whether the glob of the configuration takes this id. */
bool suite_wants(const struct suite_config *config, const char *id);

/* The profile of programs that name none. */
uint16_t suite_kernel(const struct suite_config *config);

/* Something that runs tests one after another, reusing its machines. NULL, and *reason says why. */
struct suite_runner *suite_open(const struct suite_config *config, const char **reason);
void suite_close(struct suite_runner *runner);
void suite_run(struct suite_runner *runner, const struct test *test, struct test_result *result);

/* Whether the result of a test is known without running it: broken, skipped, or nothing for this
 * real kernel. Clears result. */
bool suite_settled(
	const struct suite_config *config, const struct test *test, struct test_result *result);
/* Whether its header, or its options, do not fit the target; result says why. */
bool suite_skips(
	const struct suite_config *config, const struct test *test, struct test_result *result);
/* Sets the status of a test that has run, as known failures want it. */
void suite_conclude(const struct suite_config *config, const struct test *test, bool passed,
	struct test_result *result);
/* Writes the call, and where it stands, into the result. */
void suite_describe_call(const struct test *test, uint32_t call, struct test_result *result);

/*
 * Whether the trace of exec meets the program's expectations, else the result says which one it
 * does not. complete: the program ran to its end. Failures that a sweep injected are left out.
 */
bool suite_judge(const struct test *test, struct exec *exec, uint16_t kernel, bool complete,
	struct test_result *result);

/* Which alternatives of an expectation, that apply to the kernel, a result meets: a bit each. */
uint8_t suite_alternatives_met(
	const struct expectation *expectation, uint16_t kernel, int64_t result);
/* Those that apply and are not among `met`, as "EDEADLK | 0"; false: there is none. */
bool suite_alternatives_missed(const struct expectation *expectation, uint16_t kernel, uint8_t met,
	char *text, size_t size);

/* The first call of the last run that did not do what the test expects, or NULL. Valid as the trace
 * is. */
const struct trace_entry *suite_first_unmet(
	const struct test *test, struct exec *exec, uint16_t kernel);

/*
 * Runs all tests in worker processes, so that a crash of the implementation costs one test, and
 * calls done in the order of the tests. On a real kernel (config->probe) each test has a process of
 * its own, whose calls are bounded in time: one that cannot be ended, since it hangs in the kernel,
 * is left behind. False when interrupted (SIGINT, SIGTERM) or no worker could be started.
 */
struct suite_pool {
	unsigned jobs;
	unsigned timeout;      /* seconds for one test */
	unsigned call_timeout; /* seconds for one call on a real kernel, 0: 10 */
	size_t first;	       /* index of the first test to run */
	bool quiet;	       /* workers' standard error is dropped */
	/* A test starts that is not skipped; real kernel only. May be NULL. */
	void (*begin)(void *context, const struct test *test);
	/* log: what the kernel said during the test, or "" */
	void (*done)(void *context, const struct test *test, const struct test_result *result,
		const char *log);
	bool (*enough)(void *context); /* asked after each done; true: the rest need not run. May be
					  NULL */
	void *context;
	/* Real kernel: tells the target where to note its calls; NULL: target_live_watch. */
	void (*watch)(struct live_progress *progress, unsigned call_seconds);
	/* Real kernel: asked after each test, as kernel_log_report is. May be NULL. */
	bool (*kernel_log)(void *log, char *title, size_t title_size, char *text, size_t text_size);
	void *log;
};
bool suite_run_all(const struct suite *suite, const struct suite_config *config,
	const struct suite_pool *pool);
/* suite_live.c: the part of it for a real kernel. Ends early when *interrupted is set. */
bool suite_run_live(const struct suite *suite, const struct suite_config *config,
	const struct suite_pool *pool, const volatile sig_atomic_t *interrupted);

/* XXH64 over ids and texts of the tests and the catalogue. */
uint64_t suite_digest(const struct suite *suite);
/* The requirement ids of a test, joined by spaces. */
void suite_requirements(const struct test *test, char *text, size_t size);

/*
 * framing.c: appends framing-CALL-CASE for every ioctl of the catalogue (specification 1.3): all
 * cases for calls with a size word that are implemented, ENOTTY for those of /dev/iommu that are
 * not, a skip for those of descriptors that are not there yet.
 */
void framing_add(struct suite *suite, const struct suite_config *config);

#endif
