/* SPDX-License-Identifier: Apache-2.0 */
/* The judge: asks agents for tests, records their deaths, starts new ones. */
#include "tools/agent_run.h"

#include <stdlib.h>
#include <string.h>

#include "tools/apart.h"
#include "tools/tool.h"

/* What an agent takes beside a test's own limit: it waits for processes that it has killed. */
#define MARGIN_SECONDS	10
#define LAST_WORDS_SIZE 6000

/* test: that runs, suite->count: none. */
static unsigned patience(const struct agent_run *run, size_t test)
{
	bool threads =
		test < run->suite->count && prog_has_threads(&run->suite->tests[test].text.prog);

	return run->timeout + (run->margin ? run->margin : MARGIN_SECONDS) +
	       (threads ? APART_WAIT_SECONDS : 0);
}

/* One agent's life. */
struct round {
	struct agent_run *run;
	int channel;
	size_t current; /* test that runs, suite->count: none */
	bool silent;	/* it ended by silence */
	bool healthy;	/* it answered everything */
	bool spoilt;	/* a test left its kernel unfit for others */
};

static void finish_test(
	struct agent_run *run, size_t test, const struct test_result *result, const char *log)
{
	run->results[test] = *result;
	run->wanted[test] = false;
	run->done(run->context, &run->suite->tests[test], result, log);
}

/* -- one agent -- */

/*
 * A call that hangs keeps locks, and a kernel tells many things only once (WARN_ONCE, lockdep,
 * KASAN): the next test deserves a fresh one, as long as half of the starts remain for deaths.
 */
static bool spoils(const struct agent_run *run, const struct test_result *result)
{
	return run->starts <= run->starts_max / 2 &&
	       (strcmp(result->rule, "hang") == 0 || strcmp(result->rule, "kernel-log") == 0);
}

/* False: what came is no result of a test that was asked for. */
static bool take_result(struct round *round, const struct agent_header *header, const char *body)
{
	struct agent_run *run = round->run;
	struct test_result result;

	if (header->length < sizeof(result))
		return false;
	memcpy(&result, body, sizeof(result));
	if (result.test >= run->suite->count || !run->wanted[result.test] ||
		result.status > TEST_BROKEN)
		return false;
	round->current = run->suite->count;
	finish_test(run, result.test, &result, body + sizeof(result));
	round->spoilt = spoils(run, &result);
	return true;
}

/* False: nonsense, as from an agent that a test has damaged. */
static bool take_message(struct round *round, const struct agent_header *header, const void *body)
{
	uint32_t index;

	switch (header->type) {
	case AGENT_LOG: tool_error("%s", (const char *)body); return true;
	case AGENT_RESULT: return take_result(round, header, body);
	case AGENT_BEGIN:
		if (header->length != sizeof(index))
			return false;
		memcpy(&index, body, sizeof(index));
		round->current = index;
		return index < round->run->suite->count && round->run->wanted[index];
	default: return false;
	}
}

/* Asks for tests [from, from + count) and takes the answers. */
static bool ask(struct round *round, size_t from, size_t count)
{
	struct agent_run *run = round->run;
	struct agent_check request = {
		.from = (uint32_t)from,
		.count = (uint32_t)count,
		.timeout = run->timeout,
		.kernel = run->kernel,
		.break_at = run->break_at,
		.break_how = run->break_how,
	};
	struct agent_header header;
	void *body;

	if (!agent_send(round->channel, AGENT_CHECK, &request, sizeof(request)))
		return false;
	while (agent_receive(
		round->channel, patience(run, round->current), &header, &body, &round->silent)) {
		bool done = header.type == AGENT_DONE;
		bool sensible = done || take_message(round, &header, body);

		free(body);
		if (done || !sensible || round->spoilt)
			return sensible && !round->spoilt;
	}
	return false;
}

static void run_round(struct round *round)
{
	struct agent_run *run = round->run;
	size_t count = run->suite->count;

	round->current = count;
	round->healthy = true;
	for (size_t from = 0; round->healthy && from < count;) {
		size_t end = from;

		while (end < count && run->wanted[end])
			end++;
		if (end > from)
			round->healthy = ask(round, from, end - from);
		from = end + 1;
	}
}

/* -- deaths -- */

static void describe_death(const struct round *round, const char *text, struct test_result *result)
{
	int length;
	const char *line = agent_cause(text, &length);

	memset(result, 0, sizeof(*result));
	snprintf(result->rule, sizeof(result->rule), round->silent ? "guest-hung" : "guest-died");
	if (round->silent)
		snprintf(result->message, sizeof(result->message), "nothing for %u s",
			patience(round->run, round->current));
	else
		snprintf(result->message, sizeof(result->message), "the machine died");
	size_t used = strlen(result->message);
	if (length)
		snprintf(result->message + used, sizeof(result->message) - used, ": %.*s", length,
			line);
}

static void bury(struct round *round)
{
	struct agent_run *run = round->run;
	struct test_result result;
	char text[LAST_WORDS_SIZE] = "";

	run->source->stop(run->source->context, text, sizeof(text));
	if (round->healthy || agent_interrupted())
		return;
	if (round->spoilt) {
		run->renewals++;
		return;
	}
	run->deaths++;
	/* Not between two tests: then nobody is to blame, and the run just goes on. */
	if (round->current < run->suite->count && run->wanted[round->current]) {
		describe_death(round, text, &result);
		result.test = (uint32_t)round->current;
		suite_conclude(run->config, &run->suite->tests[round->current], false, &result);
		finish_test(run, round->current, &result, text);
	}
	/* A new agent does not break again. */
	run->break_at = 0;
}

/* -- all agents -- */

static bool any_wanted(const struct agent_run *run)
{
	for (size_t i = 0; i < run->suite->count; i++)
		if (run->wanted[i])
			return true;
	return false;
}

static void give_up(struct agent_run *run, const char *reason)
{
	struct test_result result = {.status = TEST_BROKEN};

	snprintf(result.message, sizeof(result.message), "not run: %s", reason);
	for (size_t i = 0; i < run->suite->count; i++) {
		result.test = (uint32_t)i;
		if (run->wanted[i])
			finish_test(run, i, &result, "");
	}
}

bool agent_run(struct agent_run *run, char *reason, size_t size)
{
	while (any_wanted(run) && !agent_interrupted()) {
		struct round round = {.run = run};
		uint64_t start = tool_clock();

		if (run->starts == run->starts_max) {
			snprintf(reason, size, "%u machines died", run->deaths);
			give_up(run, reason);
			return true;
		}
		round.channel = run->source->start(run->source->context, &run->hello, reason, size);
		run->start_microseconds += tool_clock() - start;
		if (round.channel < 0 && !run->started)
			return false;
		if (round.channel < 0 && !agent_interrupted()) {
			give_up(run, reason);
			return true;
		}
		run->starts++;
		if (round.channel >= 0) {
			run->started++;
			run_round(&round);
			bury(&round);
		}
	}
	if (agent_interrupted())
		snprintf(reason, size, "interrupted");
	return !agent_interrupted();
}
