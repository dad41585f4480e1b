/* SPDX-License-Identifier: Apache-2.0 */
/* Generator, mutator and minimiser: deterministic, always inside the language, and able to shorten.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/prog/binary.h"
#include "fuzz/prog/minimise.h"
#include "fuzz/prog/mutate.h"
#include "fuzz/prog/scene.h"
#include "tests/tap.h"

static bool survives_encoding(const struct prog *prog)
{
	size_t size = prog_encode(prog, NULL, 0);
	uint8_t *bytes = malloc(size + 1);
	struct prog again;
	bool same;

	prog_init(&again);
	prog_encode(prog, bytes, size);
	prog_decode(&again, bytes, size);
	same = prog_equal(prog, &again);
	prog_free(&again);
	free(bytes);
	return same;
}

static void test_generate(uint64_t seed, uint32_t programs)
{
	struct generate_options options = {.failures = true};
	struct random random, twin;
	struct prog prog, same;
	uint32_t repaired = 0, encoded = 0, equal = 0, devices = 0, pins = 0;

	random_seed(&random, seed);
	random_seed(&twin, seed);
	prog_init(&prog);
	prog_init(&same);
	for (uint32_t i = 0; i < programs; i++) {
		struct scene scene;

		prog_generate(&prog, &random, &options);
		prog_generate(&same, &twin, &options);
		repaired += prog_repair(&prog) != 0;
		encoded += survives_encoding(&prog);
		equal += prog_equal(&prog, &same);
		scene_build(&scene, &prog, prog.call_count);
		devices += scene.devices != 0;
		pins += scene.pins != 0;
	}
	tap_ok(!repaired, "generated programs need no repair");
	tap_ok(encoded == programs, "generated programs survive the binary form");
	tap_ok(equal == programs, "the same seed gives the same programs");
	tap_ok(devices * 3 > programs,
		"at least a third of the programs end with a device attached");
	tap_ok(pins * 8 > programs, "at least an eighth of the programs end with a pin");
	prog_free(&prog);
	prog_free(&same);
}

static void test_exclusion(uint64_t seed, uint32_t programs)
{
	struct generate_options options = {.exclude_needs = NEEDS_INPROC};
	struct random random;
	struct prog prog;
	uint32_t excluded = 0;

	random_seed(&random, seed);
	prog_init(&prog);
	for (uint32_t i = 0; i < programs; i++) {
		prog_generate(&prog, &random, &options);
		for (uint32_t c = 0; c < prog.call_count; c++)
			excluded += (prog_row(&prog.calls[c])->needs & NEEDS_INPROC) != 0;
	}
	tap_ok(!excluded, "no in-kernel call where they are excluded");
	prog_free(&prog);
}

static void test_mutate(uint64_t seed, uint32_t rounds)
{
	struct generate_options options = {.failures = true};
	struct random random;
	struct prog prog, other;
	uint32_t seen[MUTATION_COUNT] = {0}, kinds = 0, broken = 0;

	random_seed(&random, seed);
	prog_init(&prog);
	prog_init(&other);
	prog_generate(&prog, &random, &options);
	prog_generate(&other, &random, &options);
	for (uint32_t i = 0; i < rounds; i++) {
		seen[prog_mutate(&prog, &other, &random, &options)]++;
		broken += prog_repair(&prog) != 0;
		prog_compact(&prog);
		if (i % 16 == 0)
			broken += !survives_encoding(&prog);
		if (prog.call_count > 100)
			prog_generate(&prog, &random, &options);
	}
	for (int i = 0; i < MUTATION_COUNT; i++)
		kinds += seen[i] != 0;
	tap_ok(!broken, "mutated programs stay in the language");
	tap_ok(kinds == MUTATE_THREAD && !seen[MUTATE_THREAD],
		"every mutation was made, none of threads");
	tap_ok(!prog_has_threads(&prog), "negative control: unasked, programs get no threads");
	prog_free(&prog);
	prog_free(&other);
}

/* Threads of the program, and how many of its waits prog_drop_endless_waits would remove. */
static unsigned count_threads(const struct prog *prog, uint32_t *endless)
{
	unsigned threads = 0, count = 0;
	struct prog copy;

	for (uint32_t i = 0; i < prog->call_count; i++)
		threads |= 1u << prog->calls[i].thread;
	for (threads >>= 1; threads; threads >>= 1)
		count += threads & 1;
	prog_init(&copy);
	prog_copy(&copy, prog);
	prog_drop_endless_waits(&copy);
	*endless += prog->call_count - copy.call_count;
	prog_free(&copy);
	return count;
}

/* What must be found in threads: each side of each race. */
static const uint16_t race_rows[] = {CALL_ID_access_replace, CALL_ID_access_pin,
	CALL_ID_access_unpin, CALL_ID_access_rw, CALL_ID_access_destroy, CALL_ID_access_detach,
	CALL_ID_access_attach, CALL_ID_IOMMU_DESTROY, CALL_ID_IOMMU_IOAS_MAP,
	CALL_ID_IOMMU_IOAS_UNMAP, CALL_ID_IOMMU_IOAS_COPY, CALL_ID_IOMMU_IOAS_IOVA_RANGES,
	CALL_ID_IOMMU_IOAS_ALLOW_IOVAS, CALL_ID_IOMMU_OPTION_HUGE_PAGES,
	CALL_ID_IOMMU_OPTION_RLIMIT_MODE, CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN,
	CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN_REPLACE, CALL_ID_IOMMU_TEST_OP_ACCESS_PAGES,
	CALL_ID_IOMMU_TEST_OP_DESTROY_ACCESS_PAGES, CALL_ID_IOMMU_TEST_OP_ACCESS_REPLACE_IOAS,
	CALL_ID_close, CALL_ID_exit, CALL_ID_dma_read, CALL_ID_barrier, CALL_ID_wait};

/* Whether two threads name the same object, descriptors of the context aside. */
static bool threads_meet(const struct prog *prog)
{
	uint8_t users[PROG_CALL_MAX] = {0};

	for (uint32_t i = 0; i < prog->call_count; i++) {
		const struct call *call = &prog->calls[i];

		for (unsigned f = 0; call->thread && f < prog_row(call)->field_count; f++) {
			const struct value *value = prog_value(prog, call, f);

			if (value->kind != VALUE_HANDLE ||
				prog_output_resource(prog, value->call, value->output) ==
					RESOURCE_IOMMUFD)
				continue;
			if (users[value->call] && users[value->call] != call->thread)
				return true;
			users[value->call] = call->thread;
		}
	}
	return false;
}

static void test_threads(uint64_t seed, uint32_t programs)
{
	struct generate_options options = {.threads = 4};
	struct random random, twin;
	struct prog prog, same;
	uint32_t wrong = 0, equal = 0, encoded = 0, endless = 0, meet = 0, missing = 0;
	uint32_t by_threads[PROG_THREAD_MAX + 1] = {0}, rows[CALL_ID_COUNT] = {0}, bytes = 0;

	random_seed(&random, seed);
	random_seed(&twin, seed);
	prog_init(&prog);
	prog_init(&same);
	for (uint32_t i = 0; i < programs; i++) {
		prog_generate(&prog, &random, &options);
		prog_generate(&same, &twin, &options);
		wrong += prog_repair(&prog) != 0 || prog.calls[0].thread;
		equal += prog_equal(&prog, &same);
		encoded += survives_encoding(&prog);
		by_threads[count_threads(&prog, &endless)]++;
		meet += threads_meet(&prog);
		bytes = prog.schedule_count > bytes ? prog.schedule_count : bytes;
		for (uint32_t c = 0; c < prog.call_count; c++)
			rows[prog.calls[c].row] += prog.calls[c].thread != 0;
	}
	for (size_t i = 0; i < sizeof(race_rows) / sizeof(race_rows[0]); i++)
		missing += !rows[race_rows[i]];
	printf("# of %u programs %u have 2 threads, %u 3, %u 4; in %u two name the same object\n",
		programs, by_threads[2], by_threads[3], by_threads[4], meet);
	tap_ok(!wrong && encoded == programs, "programs with threads are in the language");
	tap_ok(equal == programs, "the same seed gives the same programs with threads");
	tap_ok(by_threads[2] && by_threads[3] && by_threads[4] &&
			by_threads[2] + by_threads[3] + by_threads[4] == programs,
		"they have two to four threads");
	tap_ok(bytes > PROG_SCHEDULE_MAX / 2 && bytes <= PROG_SCHEDULE_MAX,
		"they have up to PROG_SCHEDULE_MAX schedule bytes");
	tap_ok(!missing, "each side of each race is among their calls");
	tap_ok(!endless, "no thread waits for ever by the program's own fault");
	tap_ok(meet * 3 > programs * 2, "in most of them two threads name the same object");
	prog_free(&prog);
	prog_free(&same);
}

static void test_mutate_threads(uint64_t seed, uint32_t rounds)
{
	struct generate_options asked = {.failures = true, .threads = 4}, options = {0};
	struct random random;
	struct prog prog, other;
	uint32_t seen[MUTATION_COUNT] = {0}, kinds = 0, broken = 0, endless = 0, lost = 0, got = 0;
	uint32_t bytes[PROG_SCHEDULE_MAX + 1] = {0}, lengths = 0;

	random_seed(&random, seed);
	prog_init(&prog);
	prog_init(&other);
	prog_generate(&other, &random, &asked);
	for (uint32_t i = 0; i < rounds; i++) {
		if (i % 40 == 0)
			prog_generate(&prog, &random, &asked);
		seen[prog_mutate(&prog, &other, &random, &options)]++;
		broken += prog_repair(&prog) != 0;
		prog_compact(&prog);
		if (i % 16 == 0)
			broken += !survives_encoding(&prog);
		lost += i % 40 == 39 && !prog_has_threads(&prog);
		count_threads(&prog, &endless);
		bytes[prog.schedule_count]++;
	}
	for (int i = 0; i < MUTATION_COUNT; i++)
		kinds += seen[i] != 0;
	for (uint32_t i = 0; i <= PROG_SCHEDULE_MAX; i++)
		lengths += bytes[i] != 0;
	for (uint32_t i = 0; i < 200; i++) {
		prog_generate(&prog, &random, &options);
		for (unsigned k = 0; k < 20; k++)
			prog_mutate(&prog, &other, &random, &asked);
		got += prog_has_threads(&prog);
	}
	printf("# %u of %u lost their threads, %u of 200 got some\n", lost, rounds / 40, got);
	tap_ok(!broken, "mutated programs with threads stay in the language");
	tap_ok(kinds == MUTATION_COUNT, "every mutation was made, those of threads too");
	tap_ok(!endless, "mutated threads wait in ways that end");
	tap_ok(lost * 4 < rounds / 40, "programs with threads keep them without being asked");
	tap_ok(got > 150, "programs without threads get some when they are asked for");
	tap_ok(lengths > 20, "schedule bytes grow and shrink");
	prog_free(&prog);
	prog_free(&other);
}

static void test_splice_threads(uint64_t seed)
{
	struct generate_options options = {.threads = 3};
	static uint8_t a[4096], b[4096], out[4096];
	uint32_t kept = 0, bytes = 0, count = 300;
	struct random random;
	struct prog prog;

	random_seed(&random, seed);
	prog_init(&prog);
	for (uint32_t i = 0; i < count; i++) {
		size_t a_size, b_size, size;

		prog_generate(&prog, &random, &options);
		a_size = prog_encode(&prog, a, sizeof(a));
		prog_generate(&prog, &random, &options);
		b_size = prog_encode(&prog, b, sizeof(b));
		size = prog_splice_bytes(
			a, a_size, b, b_size, out, sizeof(out), random_next(&random));
		prog_decode(&prog, out, size);
		kept += prog_has_threads(&prog);
		bytes += prog.schedule_count != 0;
	}
	tap_ok(kept * 10 > count * 7 && bytes * 10 > count * 6, "splicing keeps threads and bytes");
	prog_free(&prog);
}

static void test_bytes(uint64_t seed, uint32_t rounds)
{
	static uint8_t data[4096], other[4096], out[4096], again[4096];
	struct random random;
	size_t size = 1, twin;
	bool stable = true, bounded = true, changed = false;

	random_seed(&random, seed);
	for (uint32_t i = 0; i < rounds; i++) {
		uint64_t once = random_next(&random);
		size_t before = size;

		memcpy(again, data, sizeof(data));
		memcpy(other, data, sizeof(data));
		size = prog_mutate_bytes(data, size, 512, once);
		twin = prog_mutate_bytes(again, before, 512, once);
		bounded = bounded && size >= 1 && size <= 512;
		stable = stable && size == twin && !memcmp(data, again, size);
		changed = changed || size != before || memcmp(data, other, size) != 0;
		twin = prog_splice_bytes(data, size, other, before, out, 300, once);
		bounded = bounded && twin >= 1 && twin <= 300;
	}
	tap_ok(bounded, "engine mutations stay within the size they are given");
	tap_ok(stable, "engine mutations depend on input and seed alone");
	tap_ok(changed, "engine mutations change the input");
}

/* Fails in the same way when a COPY with a length of at least three pages follows a MOCK_DOMAIN. */
static bool fails(void *context, const struct prog *prog)
{
	bool device = false;

	(void)context;
	for (uint32_t i = 0; i < prog->call_count; i++) {
		const struct call *call = &prog->calls[i];

		device = device || call->row == CALL_ID_IOMMU_TEST_OP_MOCK_DOMAIN;
		if (device && call->row == CALL_ID_IOMMU_IOAS_COPY &&
			call_get(prog, call, "length").kind == VALUE_NUMBER &&
			call_get(prog, call, "length").number >= 3 * 4096)
			return true;
	}
	return false;
}

static void test_minimise(uint64_t seed, uint32_t wanted)
{
	struct generate_options options = {.call_max = 60};
	struct random random;
	struct prog prog;
	struct minimise_stats stats;
	uint32_t found = 0, minimal = 0, kept = 0, tries = 0;

	random_seed(&random, seed);
	prog_init(&prog);
	while (found < wanted && tries++ < 100000) {
		prog_generate(&prog, &random, &options);
		if (!fails(NULL, &prog))
			continue;
		found++;
		prog_minimise(&prog, fails, NULL, NULL, &stats);
		kept += fails(NULL, &prog);
		minimal += prog.call_count == 2;
	}
	tap_ok(found == wanted, "programs to minimise were found");
	tap_ok(kept == found, "the failure survives minimising");
	tap_ok(minimal == found, "two calls are left of each, the shortest there is");
	prog_free(&prog);
}

/* -- minimising programs with threads -- */

struct race_seen {
	bool threads, switched; /* what the failure needs besides its two calls */
};

static bool names_call(const struct prog *prog, const struct schedule_switch *next, uint32_t index)
{
	uint32_t number = 0;

	for (uint32_t i = 0; i < index; i++)
		number += prog->calls[i].thread == next->thread && !prog->calls[i].body;
	return prog->calls[index].thread == next->thread && next->call == number;
}

/* An UNMAP and a pin, perhaps in two threads, perhaps with a switch from the one to the other. */
static bool fails_race(void *context, const struct prog *prog)
{
	const struct race_seen *race = context;

	for (uint32_t a = 0; a < prog->call_count; a++)
		for (uint32_t b = 0; b < prog->call_count; b++) {
			uint8_t from = prog->calls[a].thread, to = prog->calls[b].thread;
			bool switched = !race->switched;

			if (prog->calls[a].row != CALL_ID_IOMMU_IOAS_UNMAP ||
				prog->calls[b].row != CALL_ID_access_pin || prog->calls[a].body ||
				prog->calls[b].body ||
				(race->threads && (!from || !to || from == to)))
				continue;
			for (uint32_t i = 0; i < prog->switch_count; i++)
				switched = switched ||
					   (prog->switches[i].occurrence == 7 &&
						   prog->switches[i].to == to &&
						   names_call(prog, &prog->switches[i], a));
			if (switched)
				return true;
		}
	return false;
}

/* Switches at every call of a thread, to all others: with luck the one that matters is there. */
static void add_switches(struct prog *prog)
{
	uint16_t numbers[PROG_THREAD_MAX + 1] = {0};

	prog->schedule_count = 0;
	for (uint32_t i = 0; i < prog->call_count; i++) {
		uint8_t thread = prog->calls[i].thread;

		if (prog->calls[i].body)
			continue;
		for (uint8_t to = 1; to <= 4; to++) {
			struct schedule_switch *next = prog_add_switch(prog);

			next->thread = thread;
			next->to = to;
			next->call = numbers[thread];
			next->occurrence = (uint16_t)(7 - (i + to) % 2 * 3);
		}
		numbers[thread]++;
	}
	prog_repair(prog);
}

static void test_minimise_race(uint64_t seed, struct race_seen race, uint32_t wanted)
{
	struct generate_options options = {.threads = 4};
	uint32_t found = 0, kept = 0, calls = 0, threads = 0, switches = 0, endless = 0, tried = 0;
	struct minimise_stats stats;
	struct random random;
	struct prog prog;

	random_seed(&random, seed);
	prog_init(&prog);
	for (uint32_t tries = 0; found < wanted && tries < 10000; tries++) {
		prog_generate(&prog, &random, &options);
		add_switches(&prog);
		if (!fails_race(&race, &prog))
			continue;
		found++;
		prog_minimise(&prog, fails_race, &race, NULL, &stats);
		tried += stats.tried;
		kept += fails_race(&race, &prog);
		calls += prog.call_count;
		threads += count_threads(&prog, &endless);
		switches += prog.switch_count;
	}
	printf("# %u programs, %u candidates tried: %u calls, %u threads, %u switches left\n",
		found, tried, calls, threads, switches);
	tap_ok(found == wanted && kept == found, "a race survives minimising");
	tap_ok(calls == 2 * found, "its two calls are left");
	tap_ok(threads == (race.threads ? 2 * found : 0),
		race.threads ? "and two threads" : "negative control: it needs no threads");
	tap_ok(switches == (race.switched ? found : 0),
		race.switched ? "and one switch" : "negative control: it needs no switch");
	prog_free(&prog);
}

/* Fails in the same way while a byte's stay ends at point 20. */
static bool fails_bytes(void *context, const struct prog *prog)
{
	uint32_t at = 0;

	(void)context;
	for (uint32_t i = 0; i < prog->schedule_count; i++) {
		at += (prog->schedule[i] & 0x3f) + 1u;
		if (at == 20)
			return true;
	}
	return false;
}

static void test_minimise_bytes(uint64_t seed, uint32_t wanted)
{
	struct generate_options options = {.threads = 4};
	uint32_t found = 0, kept = 0, bytes = 0, simple = 0;
	struct random random;
	struct prog prog;

	random_seed(&random, seed);
	prog_init(&prog);
	for (uint32_t tries = 0; found < wanted && tries < 10000; tries++) {
		prog_generate(&prog, &random, &options);
		if (!fails_bytes(NULL, &prog))
			continue;
		found++;
		prog_minimise(&prog, fails_bytes, NULL, NULL, NULL);
		kept += fails_bytes(NULL, &prog);
		bytes += prog.schedule_count;
		simple += prog.schedule[0] == 19;
	}
	tap_ok(found == wanted && kept == found, "a schedule survives minimising");
	tap_ok(bytes == found && simple == found, "one byte is left, with the sum of all before");
	prog_free(&prog);
}

int main(int argc, char **argv)
{
	uint64_t seed = 1;
	uint32_t programs = 4000;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (!strcmp(argv[i], "--seed"))
			seed = strtoull(argv[i + 1], NULL, 0);
		else if (!strcmp(argv[i], "--programs"))
			programs = (uint32_t)strtoul(argv[i + 1], NULL, 0);
	}
	tap_begin();
	printf("# seed %" PRIu64 ", %u programs\n", seed, programs);
	test_generate(seed, programs);
	test_exclusion(seed + 1, programs);
	test_mutate(seed + 2, programs);
	test_bytes(seed + 3, programs);
	test_threads(seed + 5, programs);
	test_mutate_threads(seed + 6, programs * 4);
	test_splice_threads(seed + 7);
	test_minimise(seed + 4, 20);
	test_minimise_race(seed + 8, (struct race_seen){true, true}, 20);
	test_minimise_race(seed + 8, (struct race_seen){true, false}, 20);
	test_minimise_race(seed + 8, (struct race_seen){false, false}, 20);
	test_minimise_bytes(seed + 9, 20);
	return tap_end();
}
