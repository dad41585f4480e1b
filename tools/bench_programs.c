/* SPDX-License-Identifier: Apache-2.0 */
/* Measurements of whole programs: decoded, run and traced on a fresh machine, with and without
 * oracles. */
#include <stdlib.h>
#include <string.h>

#include "fuzz/exec/exec.h"
#include "fuzz/oracle/oracle.h"
#include "fuzz/prog/binary.h"
#include "fuzz/prog/text.h"
#include "tools/bench.h"
#include "tools/files.h"
#include "tools/suite.h"
#include "tools/tool.h"

/* DESIGN.md section 8: open, IOAS_ALLOC, 4 maps, 4 unmaps, close. */
static const char standard_source[] =
	"fd = open /dev/iommu\n"
	"as = IOMMU_IOAS_ALLOC fd\n"
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE|WRITEABLE user_va=mem+0 length=1P "
	"iova=1M\n"
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE|WRITEABLE user_va=mem+1P length=1P "
	"iova=2M\n"
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE|WRITEABLE user_va=mem+2P length=1P "
	"iova=3M\n"
	"IOMMU_IOAS_MAP fd ioas_id=as flags=FIXED_IOVA|READABLE|WRITEABLE user_va=mem+3P length=1P "
	"iova=4M\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=1M length=1P\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=2M length=1P\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=3M length=1P\n"
	"IOMMU_IOAS_UNMAP fd ioas_id=as iova=4M length=1P\n"
	"close fd\n";

static size_t standard_program(uint8_t *bytes, size_t room)
{
	struct prog_text text;
	struct parse_error error;
	size_t size = 0;

	prog_text_init(&text);
	if (prog_parse(&text, standard_source, strlen(standard_source), &error))
		size = prog_encode(&text.prog, bytes, room);
	else
		tool_error("bench: standard program:%u:%u: %s", error.line, error.column,
			error.message);
	prog_text_free(&text);
	return size <= room ? size : 0;
}

static double standard(const struct bench_size *size)
{
	uint8_t bytes[2048];
	size_t count = standard_program(bytes, sizeof(bytes));
	const char *reason = "";
	struct exec *exec = exec_open(&target_inproc, 0, &reason);
	struct prog prog;
	double value = -1;

	prog_init(&prog);
	if (count && exec) {
		uint64_t start = tool_clock();

		for (uint32_t i = 0; i < size->programs; i++) {
			prog_decode(&prog, bytes, count);
			exec_run(exec, &prog, &reason);
		}
		value = size->programs / ((double)(tool_clock() - start + 1) / 1e6);
	}
	prog_free(&prog);
	exec_close(exec);
	return value;
}

static double with_oracles(const struct bench_size *size, uint32_t oracles)
{
	uint8_t bytes[2048];
	size_t count = standard_program(bytes, sizeof(bytes));
	struct oracle_run *run = oracle_open(0, oracles);
	struct finding finding = {0};
	struct prog prog;
	double value = -1;
	bool clean = true;

	prog_init(&prog);
	if (count && run) {
		uint32_t times = size->programs / 10 + 1;
		uint64_t start = tool_clock();

		for (uint32_t i = 0; i < times && clean; i++) {
			prog_decode(&prog, bytes, count);
			clean = oracle_run_program(run, &prog, &finding);
		}
		value = times / ((double)(tool_clock() - start + 1) / 1e6);
	}
	if (!clean)
		tool_error("bench: standard program: %s: %s", finding.rule, finding.message);
	prog_free(&prog);
	oracle_close(run);
	return clean ? value : -1;
}

static double audit_and_model(const struct bench_size *size)
{
	return with_oracles(size, ORACLE_AUDIT | ORACLE_MODEL);
}

static double all_oracles(const struct bench_size *size)
{
	return with_oracles(size, ORACLE_ALL);
}

/* The suite in this process, oracles on; failures are check's business. */
static double suite_seconds(const struct bench_size *size)
{
	struct suite_config config = {.target = &target_inproc, .oracles = ORACLE_ALL};
	struct suite suite = {0};
	char *folder = files_tree("conformance");
	double value = -1;

	(void)size;
	if (folder && suite_load(&suite, folder, &config)) {
		struct suite_runner *runner = suite_open(&config);
		struct test_result result;
		uint64_t start = tool_clock();

		framing_add(&suite, &config);
		for (size_t t = 0; runner && t < suite.count; t++)
			suite_run(runner, &suite.tests[t], &result);
		if (runner) {
			value = (double)(tool_clock() - start) / 1e6;
			suite_close(runner);
		}
	}
	suite_free(&suite);
	free(folder);
	return value;
}

const struct measurement bench_programs[] = {
	{"standard programs", "1/s", "400000", true, standard},
	{"standard programs, audit and model", "1/s", "40000 (asan)", true, audit_and_model},
	{"standard programs, all oracles", "1/s", "", true, all_oracles},
	{"conformance suite, all oracles", "s", "5", false, suite_seconds},
	{0},
};
