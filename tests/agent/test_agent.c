/* SPDX-License-Identifier: Apache-2.0 */
/* Agents and judges: messages that are broken, agents that die, fall silent or are strangers. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/tap.h"
#include "tools/agent_run.h"
#include "tools/embedded.h"

#define FILTER "option-huge-[a-m]*" /* without threads, which this target has none of */

static void make_pair(int ends[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
		abort();
}

/* -- messages -- */

static void test_round_trip(void)
{
	struct agent_header header;
	bool timed_out = true;
	void *body = NULL;
	int ends[2];

	make_pair(ends);
	tap_ok(agent_send2(ends[0], AGENT_RESULT, "ab", 2, "cde", 3), "a message in two parts");
	tap_ok(agent_receive(ends[1], 1, &header, &body, &timed_out) &&
			header.type == AGENT_RESULT && header.length == 5 &&
			memcmp(body, "abcde", 6) == 0 && !timed_out,
		"arrives whole, with a 0 byte behind it");
	free(body);
	tap_ok(agent_send(ends[0], AGENT_DONE, NULL, 0) &&
			agent_receive(ends[1], 1, &header, &body, NULL) && !header.length,
		"a message without a body");
	free(body);
	close(ends[0]);
	close(ends[1]);
}

/* What comes when these bytes are all that is ever sent. */
static bool receives(const void *bytes, size_t length)
{
	struct agent_header header;
	bool timed_out = true, received;
	void *body;
	int ends[2];

	make_pair(ends);
	if (write(ends[0], bytes, length) != (ssize_t)length)
		abort();
	close(ends[0]);
	received = agent_receive(ends[1], 1, &header, &body, &timed_out);
	if (timed_out)
		printf("# an end was taken for a silence\n");
	free(body);
	close(ends[1]);
	return received || timed_out;
}

static void test_broken_messages(void)
{
	struct agent_header whole[] = {{AGENT_LOG, 8}, {0, 0}};
	struct agent_header large = {AGENT_LOG, AGENT_MESSAGE_MAX + 1};
	struct agent_header largest = {AGENT_LOG, UINT32_MAX};
	struct agent_header unknown = {AGENT_LOG + 1, 0}, none = {0, 0};

	tap_ok(receives(whole, sizeof(whole)), "control: a message that is all right");
	tap_ok(!receives(whole, 0), "nothing");
	tap_ok(!receives(whole, 5), "a part of a header");
	tap_ok(!receives(whole, sizeof(whole[0])), "a header without its body");
	tap_ok(!receives(whole, sizeof(whole) - 1), "a body that lacks a byte");
	tap_ok(!receives(&large, sizeof(large)), "a body that is too large by a byte");
	tap_ok(!receives(&largest, sizeof(largest)), "a length of all ones");
	tap_ok(!receives(&unknown, sizeof(unknown)), "an unknown type");
	tap_ok(!receives(&none, sizeof(none)), "type 0");
}

static void test_silence(void)
{
	struct agent_header header;
	bool timed_out = false;
	void *body;
	int ends[2];

	make_pair(ends);
	tap_ok(!agent_receive(ends[1], 1, &header, &body, &timed_out) && timed_out,
		"silence ends the wait and is told from an end");
	close(ends[0]);
	tap_ok(!agent_send(ends[1], AGENT_DONE, NULL, 0), "nobody to send to");
	close(ends[1]);
}

/* -- greetings -- */

static bool greets(uint32_t type, const struct agent_hello *hello, size_t length, char *reason)
{
	struct agent_hello got;
	int ends[2];

	make_pair(ends);
	agent_send(ends[0], type, hello, length);
	close(ends[0]);
	bool fits = agent_greet(ends[1], 1, &got, reason, 200);
	close(ends[1]);
	return fits;
}

static void test_greetings(void)
{
	struct agent_hello hello = {.version = AGENT_VERSION, .suite_digest = embedded_digest()};
	char reason[200] = "";

	tap_ok(greets(AGENT_HELLO, &hello, sizeof(hello), reason), "control: a hello");
	tap_ok(!greets(AGENT_HELLO, &hello, sizeof(hello) - 1, reason) && strstr(reason, "version"),
		"a hello of another length: %s", reason);
	tap_ok(!greets(AGENT_DONE, NULL, 0, reason) && strstr(reason, "expected"),
		"another message: %s", reason);
	hello.suite_digest++;
	tap_ok(!greets(AGENT_HELLO, &hello, sizeof(hello), reason) && strstr(reason, "suite"),
		"another suite: %s", reason);
	hello.version++;
	tap_ok(!greets(AGENT_HELLO, &hello, sizeof(hello), reason) && strstr(reason, "version"),
		"another version: %s", reason);
}

/* -- an agent in a child -- */

struct child {
	pid_t pid;
	int channel;
	unsigned starts, refuse_from; /* starts from that one on fail, 0: none */
	bool complains;
};

/* An agent whose second test makes the kernel complain; which others it then runs is its own. */
static void speak_with_complaint(int channel)
{
	struct agent_hello hello = {.version = AGENT_VERSION, .suite_digest = embedded_digest()};
	struct agent_header header;
	struct agent_check *request;
	void *body;

	agent_send(channel, AGENT_HELLO, &hello, sizeof(hello));
	while (agent_receive(channel, 20, &header, &body, NULL)) {
		request = body;
		for (uint32_t i = 0; i < request->count; i++) {
			struct test_result result = {.test = request->from + i};

			if (i == 1) {
				result.status = TEST_FAIL;
				strcpy(result.rule, "kernel-log");
			}
			agent_send(channel, AGENT_RESULT, &result, sizeof(result));
		}
		agent_send(channel, AGENT_DONE, NULL, 0);
		free(body);
	}
	_exit(0);
}

static int start_child(void *context, struct agent_hello *hello, char *reason, size_t size)
{
	struct child *child = context;
	int ends[2];

	if (++child->starts == child->refuse_from) {
		snprintf(reason, size, "refused");
		return -1;
	}
	make_pair(ends);
	fflush(stdout);
	child->pid = fork();
	if (child->pid == 0) {
		close(ends[0]);
		if (child->complains)
			speak_with_complaint(ends[1]);
		_exit(agent_serve(ends[1], ends[1], &target_inproc, 0));
	}
	close(ends[1]);
	child->channel = ends[0];
	return agent_greet(ends[0], 20, hello, reason, size) ? ends[0] : -1;
}

static void stop_child(void *context, char *text, size_t size)
{
	struct child *child = context;

	snprintf(text, size,
		"[    1.0] WARNING: of an earlier test\n[    2.0] Kernel panic - not syncing: %s\n",
		"for a test");
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	close(child->channel);
}

/* The next message's type; its body is dropped. */
static uint32_t next_type(int channel)
{
	struct agent_header header = {0, 0};
	void *body;

	if (!agent_receive(channel, 20, &header, &body, NULL))
		return 0;
	free(body);
	return header.type;
}

static void test_conversation(void)
{
	struct agent_check request = {.timeout = 20, .filter = "ioas-alloc-sizes"};
	struct child child = {.pid = 0};
	struct agent_hello hello;
	char reason[200];
	int status;
	int channel = start_child(&child, &hello, reason, sizeof(reason));

	tap_ok(channel >= 0 && hello.test_count > 500, "an agent says hello");
	agent_send(channel, AGENT_CHECK, &request, sizeof(request));
	tap_ok(next_type(channel) == AGENT_BEGIN && next_type(channel) == AGENT_RESULT &&
			next_type(channel) == AGENT_DONE,
		"one test: begin, result, done");
	agent_send(channel, AGENT_CHECK, &request, sizeof(request) - 1);
	tap_ok(next_type(channel) == AGENT_LOG && next_type(channel) == AGENT_DONE,
		"a request that lacks a byte is answered by words");
	agent_send(channel, AGENT_TRACE, NULL, 0);
	tap_ok(next_type(channel) == AGENT_LOG && next_type(channel) == AGENT_DONE,
		"an answer is no request");
	request.from = UINT32_MAX;
	agent_send(channel, AGENT_CHECK, &request, sizeof(request));
	tap_ok(next_type(channel) == AGENT_DONE, "tests behind the last one: none");
	agent_send(channel, AGENT_QUIT, NULL, 0);
	waitpid(child.pid, &status, 0);
	tap_ok(WIFEXITED(status) && WEXITSTATUS(status) == 0, "it ends when it is told to");
	close(channel);
}

/* -- runs -- */

struct counted {
	struct agent_run run;
	struct suite suite;
	struct suite_config config;
	struct child child;
	struct agent_source source;
	unsigned results, passed, broken;
	uint32_t third;		  /* index of the third test wanted */
	struct test_result broke; /* the result of that */
};

static void count(
	void *context, const struct test *test, const struct test_result *result, const char *log)
{
	struct counted *counted = context;

	(void)log;
	counted->results++;
	counted->passed += result->status == TEST_PASS;
	counted->broken += result->status == TEST_BROKEN;
	if (test == &counted->suite.tests[counted->third])
		counted->broke = *result;
}

static unsigned prepare(struct counted *counted)
{
	unsigned wanted = 0;

	memset(counted, 0, sizeof(*counted));
	counted->config = (struct suite_config){.target = &target_inproc};
	suite_load_embedded(&counted->suite, &counted->config);
	framing_add(&counted->suite, &counted->config);
	counted->config.filter = FILTER;
	counted->source = (struct agent_source){start_child, stop_child, &counted->child};
	counted->run = (struct agent_run){
		.suite = &counted->suite,
		.config = &counted->config,
		.source = &counted->source,
		.results = calloc(counted->suite.count, sizeof(struct test_result)),
		.wanted = calloc(counted->suite.count, sizeof(bool)),
		.timeout = 20,
		.starts_max = 3,
		.done = count,
		.context = counted,
	};
	for (uint32_t i = 0; i < counted->suite.count; i++) {
		counted->run.wanted[i] = suite_wants(&counted->config, counted->suite.tests[i].id);
		wanted += counted->run.wanted[i];
		if (counted->run.wanted[i] && wanted == 3)
			counted->third = i;
	}
	return wanted;
}

static void done(struct counted *counted)
{
	free(counted->run.results);
	free(counted->run.wanted);
	suite_free(&counted->suite);
}

static void test_runs(void)
{
	struct counted counted;
	char reason[200] = "";
	unsigned wanted = prepare(&counted);

	tap_ok(agent_run(&counted.run, reason, sizeof(reason)) && wanted > 5 &&
			counted.passed == wanted && counted.run.started == 1,
		"control: %u tests pass through one agent", wanted);
	done(&counted);

	prepare(&counted);
	counted.run.break_at = counted.third + 1;
	counted.run.break_how = AGENT_BREAK_DIE;
	tap_ok(agent_run(&counted.run, reason, sizeof(reason)) && counted.results == wanted &&
			counted.passed == wanted - 1 && counted.run.started == 2 &&
			counted.run.deaths == 1 && counted.broke.status == TEST_FAIL &&
			strcmp(counted.broke.rule, "guest-died") == 0,
		"an agent that dies costs one test");
	tap_ok(strcmp(counted.broke.message,
		       "the machine died: Kernel panic - not syncing: for a test") == 0,
		"and what it died of is told: %s", counted.broke.message);
	done(&counted);

	prepare(&counted);
	counted.run.break_at = counted.third + 1;
	counted.run.break_how = AGENT_BREAK_HANG;
	counted.run.timeout = counted.run.margin = 1;
	agent_run(&counted.run, reason, sizeof(reason));
	tap_ok(counted.results == wanted && counted.run.deaths >= 1 &&
			strcmp(counted.broke.rule, "guest-hung") == 0,
		"an agent that falls silent costs one test");
	done(&counted);
}

static void test_renewal(void)
{
	struct counted counted;
	char reason[200] = "";
	unsigned wanted = prepare(&counted);

	counted.child.complains = true;
	counted.run.starts_max = 4;
	tap_ok(agent_run(&counted.run, reason, sizeof(reason)) && counted.results == wanted &&
			counted.run.renewals == 2 && counted.run.started == 3 &&
			!counted.run.deaths && !counted.broken,
		"a kernel that complained is renewed, while half of the starts remain");
	done(&counted);
}

static void test_ends(void)
{
	struct counted counted;
	char reason[200] = "";
	unsigned wanted = prepare(&counted);

	counted.child.refuse_from = 2;
	counted.run.break_at = counted.third + 1;
	counted.run.break_how = AGENT_BREAK_DIE;
	tap_ok(agent_run(&counted.run, reason, sizeof(reason)) && counted.results == wanted &&
			counted.passed == 2 && counted.broken == wanted - 3,
		"when no further agent starts, the rest is broken: %s", reason);
	done(&counted);
	prepare(&counted);
	counted.run.starts_max = 1;
	counted.run.break_at = counted.third + 1;
	counted.run.break_how = AGENT_BREAK_DIE;
	tap_ok(agent_run(&counted.run, reason, sizeof(reason)) && counted.broken == wanted - 3,
		"nor when too many have died: %s", reason);
	done(&counted);
	prepare(&counted);
	counted.child.refuse_from = 1;
	tap_ok(!agent_run(&counted.run, reason, sizeof(reason)) && !counted.results &&
			strcmp(reason, "refused") == 0,
		"without a first agent there is no run");
	done(&counted);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	tap_begin();
	test_round_trip();
	test_broken_messages();
	test_silence();
	test_greetings();
	test_conversation();
	test_runs();
	test_renewal();
	test_ends();
	return tap_end();
}
