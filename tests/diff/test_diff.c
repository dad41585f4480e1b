/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of `iommuzz diff`: traces as bytes, rules, batches and their deaths, live generation.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz/exec/trace_stream.h"
#include "fuzz/prog/binary.h"
#include "fuzz/prog/builder.h"
#include "fuzz/prog/live.h"
#include "fuzz/prog/text.h"
#include "impl/abi/iommufd_abi.h"
#include "tests/tap.h"
#include "tools/diff.h"

#define CONTEXT "fd = open /dev/iommu\nas = IOMMU_IOAS_ALLOC fd\n"
#define MAPPED                                                                                     \
	CONTEXT "IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE user_va=mem length=1P "    \
		"iova=16M\n"

static void parse(struct prog *prog, const char *source)
{
	struct prog_text text;
	struct parse_error error = {0};

	prog_text_init(&text);
	if (!prog_parse(&text, source, strlen(source), &error) || !prog_copy(prog, &text.prog))
		printf("# %u: %s\n", error.line, error.message);
	prog_text_free(&text);
}

static struct exec *open_exec(void)
{
	const char *reason;

	return exec_open(&target_inproc, 0, &reason);
}

/* -- traces -- */

static void test_stream(void)
{
	struct exec *exec = open_exec();
	const char *reason;
	struct trace copy;
	struct prog prog;
	bool damaged = true;

	prog_init(&prog);
	trace_init(&copy);
	parse(&prog, MAPPED "put mem+2P \"abc\"\nIOMMU_IOAS_UNMAP fd ioas_id=as length=U64_MAX\n");
	exec_run(exec, &prog, &reason);
	const struct trace *trace = exec_trace(exec);
	size_t size = trace_stream_size(trace);
	uint8_t *bytes = malloc(size), *broken = malloc(size);
	trace_stream_write(trace, bytes);
	tap_ok(trace_stream_read(&copy, bytes, size) && trace_compare(trace, &copy, 0) < 0 &&
			trace_digest(&copy) == trace_digest(trace),
		"a trace that was written and read is the same");
	tap_ok(!trace_stream_read(&copy, bytes, size - 1) && !trace_stream_read(&copy, bytes, 7) &&
			!copy.entry_count,
		"a trace that was cut is none");
	for (size_t i = 0; i < size; i++) {
		memcpy(broken, bytes, size);
		broken[i] = 0xff;
		/* What is accepted can be looked at; the sanitizers watch. */
		if (trace_stream_read(&copy, broken, size))
			damaged = trace_digest(&copy) != 1 && damaged;
	}
	tap_ok(damaged, "traces with damaged bytes are refused or safe to look at");
	free(bytes);
	free(broken);
	trace_free(&copy);
	prog_free(&prog);
	exec_close(exec);
}

static void test_common(void)
{
	struct exec *exec = open_exec();
	const char *reason;
	struct prog prog;

	prog_init(&prog);
	parse(&prog, MAPPED "acc = access_create fd NEEDS_PIN\naccess_attach acc ioas_id=as\n"
			    "on unmap acc: { unpin-all }\naccess_pin acc iova=16M length=1P\n"
			    "IOMMU_IOAS_UNMAP fd ioas_id=as length=U64_MAX\n");
	exec_run(exec, &prog, &reason);
	struct trace *trace = (struct trace *)(uintptr_t)exec_trace(exec);
	uint32_t all = trace->entry_count;
	uint64_t digest = trace_stream_digest(trace);
	trace_stream_common(trace);
	tap_ok(trace->entry_count < all && trace_digest(trace) == digest,
		"callbacks and their bodies are no part of what is compared");
	prog_free(&prog);
	exec_close(exec);
}

/* -- rules -- */

static char rules_path[] = "/tmp/iommuzz-diff-XXXXXX";

static bool read_text(struct rules *rules, enum rule_kind kind, const char *text)
{
	return files_write(rules_path, text, strlen(text)) && rules_read(rules, kind, rules_path);
}

/* Whether the text is refused; the messages go away. */
static bool refuses(enum rule_kind kind, const char *text)
{
	struct rules rules;
	int kept = dup(2), null = open("/dev/null", O_WRONLY);

	dup2(null, 2);
	bool read = read_text(&rules, kind, text);
	dup2(kept, 2);
	close(kept);
	close(null);
	rules_free(&rules);
	return !read;
}

#define RECORD	"difference a\ncall IOMMU_IOAS_MAP\nwhat result EFAULT ok\n"
#define KERNELS "kernels 6.12..7.3\n"
#define REASON	"reason because\n"

static void test_refusals(void)
{
	tap_ok(refuses(RULE_DIFFERENCE, RECORD KERNELS REASON),
		"a whole call and errno are not explained");
	tap_ok(refuses(RULE_DIFFERENCE, RECORD "when flags&READABLE\n" REASON),
		"an explanation without an end is refused");
	tap_ok(refuses(RULE_DIFFERENCE, RECORD "when flags&READABLE\nkernels 6.12\n" REASON),
		"so is half a range of kernels");
	tap_ok(refuses(RULE_DIFFERENCE, RECORD "when flags&READABLE\n" KERNELS),
		"an explanation without reason is refused");
	tap_ok(refuses(RULE_DIFFERENCE,
		       "difference a\ncall IOMMU_IOAS_MAP\nwhen flags&1\n" KERNELS REASON),
		"what differs must be said");
	tap_ok(refuses(RULE_DIFFERENCE, RECORD "when colour=1\n" KERNELS REASON),
		"a field that the call does not have is refused");
	tap_ok(refuses(RULE_DIFFERENCE, RECORD "when length!0\n" KERNELS REASON) &&
			refuses(RULE_DIFFERENCE, RECORD "when length>0 iova<9\n" KERNELS REASON) &&
			refuses(RULE_DIFFERENCE, RECORD "when flags&-1\n" KERNELS REASON) &&
			refuses(RULE_DIFFERENCE, RECORD "when user_va=mem\n" KERNELS REASON) &&
			refuses(RULE_DIFFERENCE, RECORD "after open\n" KERNELS REASON),
		"what holds for nearly every call is no state");
	tap_ok(!refuses(RULE_DIFFERENCE, RECORD "when length=0\n" KERNELS REASON) &&
			!refuses(RULE_DIFFERENCE, RECORD "when flags&READABLE\n" KERNELS REASON) &&
			!refuses(RULE_DIFFERENCE, RECORD "after munmap\n" KERNELS REASON),
		"a value, a bit or an earlier call is one");
	tap_ok(refuses(RULE_DIFFERENCE, RECORD "when length=0\nkernels 7.3..6.12\n" REASON),
		"a range of kernels that is reversed is refused");
	tap_ok(refuses(RULE_DIFFERENCE, RECORD "when length=0\nkernels 6.12..7.4\n" REASON) &&
			refuses(RULE_DIFFERENCE, RECORD "when length=0\nkernels 6.1..7.3\n" REASON),
		"so is one with kernels that have no profile");
	tap_ok(refuses(RULE_HAZARD, "hazard a\nharm hang\n" KERNELS REASON),
		"a hazard names a call");
	tap_ok(refuses(RULE_HAZARD, "hazard a\ncall IOMMU_DESTROY\n" KERNELS REASON) &&
			refuses(RULE_HAZARD,
				"hazard a\ncall IOMMU_DESTROY\nharm surprise\n" KERNELS REASON) &&
			refuses(RULE_DIFFERENCE,
				RECORD "when length=0\nharm hang\n" KERNELS REASON),
		"and says what it does to the kernel, which no difference does");
	tap_ok(refuses(RULE_HAZARD, "call IOMMU_DESTROY\n"), "records begin with a name");
	tap_ok(!refuses(RULE_HAZARD, "# nothing\n\n"), "a file without records is none's fault");
}

static void test_explanations(void)
{
	struct exec *exec = open_exec();
	const char *reason;
	struct rules rules;
	struct prog prog;

	prog_init(&prog);
	parse(&prog, MAPPED "IOMMU_IOAS_MAP fd ioas_id=as flags=READABLE user_va=mem length=1P\n");
	exec_run(exec, &prog, &reason);
	struct rule_subject subject = {.prog = &prog,
		.here = exec_trace(exec),
		.kernel = LINUX(6, 12),
		.call = 3,
		.what = DIFF_RESULT,
		.result_here = -14};
	bool read = read_text(&rules, RULE_DIFFERENCE,
		RECORD "when length=4096 user_va=mem\nafter IOMMU_IOAS_MAP flags&READABLE\n" KERNELS
			REASON);
	tap_ok(read && rules_explain(&rules, &subject), "a difference in its state is explained");
	subject.kernel = LINUX(6, 11);
	tap_ok(!rules_explain(&rules, &subject), "not for another kernel");
	subject.kernel = LINUX(7, 3);
	subject.result_there = -12;
	tap_ok(!rules_explain(&rules, &subject), "not with another result");
	subject.result_there = 0;
	subject.call = 2;
	tap_ok(!rules_explain(&rules, &subject), "not without the call that it comes after");
	rules_free(&rules);
	subject.what = DIFF_MACHINE;
	subject.key = "kernel.WARNING-at-mock-unmap.7.3";
	read = read_text(&rules, RULE_DIFFERENCE,
		"difference a\ncall IOMMU_IOAS_MAP\nwhat report mock-unmap\nwhen "
		"length=4096\n" KERNELS REASON);
	tap_ok(read && rules_explain(&rules, &subject),
		"a kernel's report in its state is explained");
	subject.key = "kernel.WARNING-at-mock-map.7.3";
	tap_ok(!rules_explain(&rules, &subject), "not another report");
	subject.key = "program.died-9.7.3";
	tap_ok(!rules_explain(&rules, &subject), "nor a death");
	rules_free(&rules);
	prog_free(&prog);
	exec_close(exec);
}

static void test_hazards(void)
{
	struct rules rules;
	struct prog prog;

	prog_init(&prog);
	parse(&prog, MAPPED "IOMMU_DESTROY fd id=as\n");
	bool read = read_text(&rules, RULE_HAZARD,
		"hazard made-up\ncall IOMMU_DESTROY id=handle\nafter IOMMU_IOAS_MAP "
		"iova=0x1000000\nharm hang\nkernels 6.2..6.12\nreason made up\n");
	tap_ok(read && rules_hazard(&rules, &prog, LINUX(6, 12)), "a hazardous sequence is seen");
	tap_ok(!rules_hazard(&rules, &prog, LINUX(7, 3)), "other kernels may run it");
	parse(&prog, CONTEXT "IOMMU_DESTROY fd id=as\n");
	tap_ok(!rules_hazard(&rules, &prog, LINUX(6, 12)), "half of the sequence is none");
	rules_free(&rules);
	prog_free(&prog);
}

/* -- batches -- */

static struct target_class treacherous;

/* Ends the process, or never comes back, as a broken machine would. */
static void treacherous_call(
	struct target *target, const struct resolved_call *call, struct call_outcome *outcome)
{
	if (call->row == &call_rows[CALL_ID_IOMMU_DESTROY])
		raise(SIGKILL);
	while (call->row == &call_rows[CALL_ID_IOMMU_IOAS_ALLOW_IOVAS])
		pause();
	target_inproc.call(target, call, outcome);
}

static size_t put_program(uint8_t *at, const char *source)
{
	struct prog prog;
	uint32_t size;

	prog_init(&prog);
	parse(&prog, source);
	size = (uint32_t)prog_encode(&prog, at + sizeof(size), 1024);
	memcpy(at, &size, sizeof(size));
	prog_free(&prog);
	return sizeof(size) + size;
}

static uint64_t digest_of(const char *source)
{
	struct exec *exec = open_exec();
	const char *reason;
	struct prog prog;

	prog_init(&prog);
	parse(&prog, source);
	exec_run(exec, &prog, &reason);
	uint64_t digest = trace_stream_digest(exec_trace(exec));
	prog_free(&prog);
	exec_close(exec);
	return digest;
}

static void test_batch(void)
{
	static const char *const sources[] = {CONTEXT, CONTEXT "IOMMU_DESTROY fd id=as\n", MAPPED,
		CONTEXT "IOMMU_IOAS_ALLOW_IOVAS fd ioas_id=as\n", MAPPED,
		CONTEXT "thread A: IOMMU_IOAS_ALLOC fd\n"};
	struct agent_batch batch = {.count = 6, .call_seconds = 1};
	struct agent_digest digests[6] = {0};
	struct agent_header header = {0};
	struct agent_traces traces = {0};
	uint8_t message[8192];
	void *body = NULL;
	size_t used = sizeof(batch);
	int ends[2];

	memcpy(message, &batch, sizeof(batch));
	for (int i = 0; i < 6; i++)
		used += put_program(message + used, sources[i]);
	treacherous = target_inproc;
	treacherous.call = treacherous_call;
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return;
	bool answered = agent_answer_batch(ends[0], &treacherous, 0, message, used) &&
			agent_receive(ends[1], 5, &header, &body, NULL);
	bool told = answered && header.type == AGENT_BEGIN;
	while (answered && header.type == AGENT_BEGIN) {
		free(body);
		answered = agent_receive(ends[1], 5, &header, &body, NULL);
	}
	tap_ok(told, "progress is told of when a batch takes long");
	if (tap_ok(answered && header.type == AGENT_TRACES &&
			    header.length > sizeof(traces) + sizeof(digests),
		    "a batch with deaths in it is answered")) {
		memcpy(&traces, body, sizeof(traces));
		memcpy(digests, (uint8_t *)body + sizeof(traces), sizeof(digests));
	}
	tap_ok(digests[1].outcome == AGENT_DIED && digests[1].signal == SIGKILL,
		"the program that ended its process is named");
	tap_ok(digests[3].outcome == AGENT_HUNG, "so is the one that did not come back");
	tap_ok(digests[5].outcome == AGENT_NOT_RUN && digests[5].reason == 1 && traces.reasons == 1,
		"what cannot be run has a reason");
	tap_ok(digests[0].outcome == AGENT_RAN && digests[0].digest == digest_of(CONTEXT) &&
			digests[2].digest == digest_of(MAPPED) &&
			digests[4].digest == digest_of(MAPPED),
		"all others ran as they do alone");
	free(body);
	memset(message + sizeof(batch), 0xff, 4);
	tap_ok(!agent_answer_batch(ends[0], &treacherous, 0, message, used),
		"a batch whose lengths do not fit is refused");
	close(ends[0]);
	close(ends[1]);
}

static void test_program(void)
{
	struct agent_batch batch = {.count = 1};
	struct agent_header header = {0};
	struct agent_trace head = {0};
	uint8_t message[2048];
	struct trace trace;
	void *body = NULL;
	size_t used = sizeof(batch);
	int ends[2];
	bool same = false;

	memcpy(message, &batch, sizeof(batch));
	used += put_program(message + used, MAPPED);
	trace_init(&trace);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return;
	if (agent_answer_program(ends[0], &target_inproc, 0, message, used) &&
		agent_receive(ends[1], 5, &header, &body, NULL) && header.length > sizeof(head)) {
		memcpy(&head, body, sizeof(head));
		same = head.outcome == AGENT_RAN &&
		       trace_stream_read(&trace, (uint8_t *)body + sizeof(head),
			       header.length - sizeof(head)) &&
		       trace_digest(&trace) == digest_of(MAPPED);
	}
	tap_ok(same, "the whole trace of one program comes back");
	free(body);
	trace_free(&trace);
	close(ends[0]);
	close(ends[1]);
}

/* -- what is compared, and its name -- */

static void test_keys(void)
{
	struct exec *exec = open_exec();
	struct diff_answer there = {0};
	struct difference difference;
	struct trace here;
	const char *reason;
	struct prog prog;

	prog_init(&prog);
	trace_init(&here);
	parse(&prog, MAPPED);
	exec_run(exec, &prog, &reason);
	size_t size = trace_stream_size(exec_trace(exec));
	uint8_t *bytes = malloc(size);
	trace_stream_write(exec_trace(exec), bytes);
	trace_stream_read(&here, bytes, size);
	trace_stream_read(&there.trace, bytes, size);
	tap_ok(!diff_compare(&prog, &here, &there, LINUX(7, 3), &difference),
		"equal traces do not differ");
	there.trace.entries[2].result = -17;
	tap_ok(diff_compare(&prog, &here, &there, LINUX(7, 3), &difference) &&
			strcmp(difference.key, "IOMMU_IOAS_MAP.result-ok-EEXIST.7.3") == 0,
		"a result: %s", difference.key);
	trace_stream_read(&there.trace, bytes, size);
	there.trace.bytes[there.trace.entries[2].image + 33] ^= 1;
	tap_ok(diff_compare(&prog, &here, &there, LINUX(6, 12), &difference) &&
			strcmp(difference.key, "IOMMU_IOAS_MAP.field-iova.6.12") == 0,
		"a field: %s", difference.key);
	trace_stream_read(&there.trace, bytes, size);
	there.trace.entry_count--;
	tap_ok(diff_compare(&prog, &here, &there, LINUX(7, 3), &difference) &&
			strcmp(difference.key, "IOMMU_IOAS_MAP.order.7.3") == 0,
		"a call that did not return: %s", difference.key);
	there.head = (struct agent_trace){
		.outcome = AGENT_REPORT, .reason = "WARNING: CPU: 1 PID: 77 at f.c:3 0xffff8880"};
	tap_ok(diff_compare(&prog, &here, &there, LINUX(7, 3), &difference) &&
			strcmp(difference.key, "kernel.WARNING-CPU-PID-at-f-c-xffff-.7.3") == 0,
		"a report of the kernel, without its numbers: %s", difference.key);
	free(bytes);
	trace_free(&here);
	trace_free(&there.trace);
	prog_free(&prog);
	exec_close(exec);
}

/* -- dirty bits -- */

#define BITMAP_AT UINT64_C(0x10000000000)

/* What GET_DIRTY_BITMAP leaves for 4 MiB of pages: `byte` at `offset` of the bitmap. */
static void dirty_trace(struct trace *trace, uint64_t offset, uint8_t byte)
{
	struct iommu_hwpt_get_dirty_bitmap image = {.size = sizeof(image),
		.iova = 16 << 20,
		.length = 4 << 20,
		.page_size = 4096,
		.data = BITMAP_AT};
	struct trace_entry *entry;

	trace_clear(trace);
	entry = trace_add(trace, TRACE_CALL);
	trace_set_image(trace, entry, &image, sizeof(image));
	trace_add_change(trace, BITMAP_AT + offset, &byte, 1);
	trace_finish_entry(trace);
}

static bool coarser(struct trace *here, struct trace *there)
{
	return diff_coarser(&call_rows[CALL_ID_IOMMU_HWPT_GET_DIRTY_BITMAP], here, here->entries,
		there, there->entries);
}

static void test_dirty(void)
{
	struct trace here, there;
	struct prog prog;

	prog_init(&prog);
	parse(&prog, "IOMMU_HWPT_GET_DIRTY_BITMAP 0\n");
	trace_init(&here);
	trace_init(&there);
	dirty_trace(&here, 1, 0x10);
	dirty_trace(&there, 1, 0xff);
	tap_ok(coarser(&here, &there), "bits of the same entry may be set too");
	tap_ok(!coarser(&there, &here), "no bit of the implementation may be missing");
	dirty_trace(&there, 65, 0x10);
	tap_ok(!coarser(&here, &there), "bits of another entry may not be set");
	dirty_trace(&there, 1, 0x10);
	there.entries[0].result = -22;
	tap_ok(!coarser(&here, &there), "results are compared as ever");
	tap_ok(diff_got_dirty(&prog, &here), "dirty bits were got");
	here.entries[0].change_count = 0;
	tap_ok(!diff_got_dirty(&prog, &here), "and here there were none");
	prog_free(&prog);
	trace_free(&here);
	trace_free(&there);
}

/* -- generation -- */

static void test_live_programs(void)
{
	const struct generate_options options = {.live = true, .exclude_needs = NEEDS_INPROC};
	uint32_t refused = 0, empty = 0;
	struct random random;
	struct prog prog;

	prog_init(&prog);
	for (uint64_t seed = 0; seed < 3000; seed++) {
		random_seed(&random, seed);
		prog_generate(&prog, &random, &options);
		refused += prog_live_refused(&prog) != NULL;
		empty += !prog.call_count;
	}
	tap_ok(!refused && !empty,
		"programs for live kernels hold nothing that cannot be compared");
	parse(&prog, CONTEXT "ioctl fd 0x3ba0 size=72 tail=12000000\nioctl fd 2 size=8\nioctl fd "
			     "0x3b81 size=12\n"
			     "open /dev/vfio/vfio\nmemfd size=4K HUGETLB\ndma_read fd\n");
	tap_ok(prog_live_obstacle(&prog, 2) && prog_live_obstacle(&prog, 3) &&
			!prog_live_obstacle(&prog, 4) && prog_live_obstacle(&prog, 5) &&
			prog_live_obstacle(&prog, 6) && prog_live_obstacle(&prog, 7),
		"what depends on the machine or is not implemented is named");
	prog_live_mend(&prog);
	tap_ok(!prog_live_refused(&prog) && prog.call_count == 7, "and mended, or taken out");
	prog_free(&prog);
}

static void test_scenes(void)
{
	struct exec *exec = open_exec();
	uint32_t wrong = 0, harmless = 0, count = 0;

	for (const char *scene; (scene = builder_rare_scene(count)); count++) {
		const char *reason;
		struct prog prog;
		bool fails = false;

		prog_init(&prog);
		parse(&prog, scene);
		wrong += !prog.call_count || prog_live_refused(&prog) ||
			 !exec_run(exec, &prog, &reason);
		for (uint32_t i = 0; i < exec_trace(exec)->entry_count; i++)
			fails = fails || exec_trace(exec)->entries[i].result < 0;
		harmless += !fails;
		prog_free(&prog);
	}
	tap_ok(!wrong && !harmless && count, "each of %u scenes runs and fails somewhere", count);
	exec_close(exec);
}

int main(void)
{
	int file = mkstemp(rules_path);

	tap_begin();
	close(file);
	test_stream();
	test_common();
	test_refusals();
	test_explanations();
	test_hazards();
	test_batch();
	test_program();
	test_keys();
	test_dirty();
	test_live_programs();
	test_scenes();
	unlink(rules_path);
	return tap_end();
}
