/* SPDX-License-Identifier: Apache-2.0 */
/* How each engine is started, and how its figures and findings are read. */
#define _GNU_SOURCE
#include "fuzz/engines/campaign_private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define ARGUMENT_MAX 24
/* A single input that runs longer is a finding; ample for a shared machine under a sanitizer. */
#define INPUT_SECONDS		25
#define AFL_INPUT_MILLISECONDS	5000
#define AFL_RUNS_IN_ONE_PROCESS 10000
#define INPUT_BYTES_MAX		4096
#define MEMORY_MEGABYTES	2560

static const char *preset(const struct campaign *campaign)
{
	return campaign->options.engine == ENGINE_AFL ? "afl" : "asan";
}

char *engine_binary(const struct campaign *campaign, const char *target)
{
	return campaign_text("%s/%s/%s", campaign->options.build, preset(campaign), target);
}

/* The engine's own folder of the target. */
static char *job_folder(const struct campaign *campaign, const struct job *job)
{
	return campaign_text("%s/%s/%s", campaign->options.work,
		campaign->options.engine == ENGINE_AFL ? "afl" : "libfuzzer", job->target);
}

char *engine_findings(const struct campaign *campaign, const struct job *job)
{
	char *folder = job_folder(campaign, job);
	char *findings = campaign_text(
		campaign->options.engine == ENGINE_AFL ? "%s/default/crashes" : "%s/findings",
		folder);
	free(folder);
	return findings;
}

static bool folder_has_files(const char *path)
{
	DIR *folder = opendir(path);
	if (!folder)
		return false;
	const struct dirent *entry;
	do
		entry = readdir(folder);
	while (entry && entry->d_name[0] == '.');
	closedir(folder);
	return entry;
}

/* Compiled seeds, or for a target that has none a folder with one short input. */
static char *seed_folder(const struct campaign *campaign, const struct job *job)
{
	if (campaign->options.seeds)
		return campaign_text("%s", campaign->options.seeds);
	char *seeds = campaign_text("%s/release/seeds/%s", campaign->options.build, job->target);
	if (folder_has_files(seeds))
		return seeds;
	free(seeds);
	seeds = campaign_text("%s/start/%s", campaign->options.work, job->target);
	char *path = campaign_text("%s/zero", seeds);
	FILE *file = campaign_folder(seeds) ? NULL : fopen(path, "wb");
	if (file) {
		fwrite("\0\0\0\0\0\0\0\0", 1, 8, file);
		fclose(file);
	}
	free(path);
	return seeds;
}

/* The environment that both engines need: a symboliser for reports, and for AFL++ our mutator. */
static void set_environment(const struct campaign *campaign, const struct job *job)
{
	if (!access("/usr/bin/llvm-symbolizer-19", X_OK)) {
		setenv("ASAN_SYMBOLIZER_PATH", "/usr/bin/llvm-symbolizer-19", 0);
		setenv("UBSAN_SYMBOLIZER_PATH", "/usr/bin/llvm-symbolizer-19", 0);
	}
	if (campaign->options.engine != ENGINE_AFL)
		return;
	setenv("AFL_NO_UI", "1", 1);
	setenv("AFL_SKIP_CPUFREQ", "1", 1);
	setenv("AFL_NO_AFFINITY", "1", 1);
	setenv("AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES", "1", 1);
	setenv("AFL_AUTORESUME", "1", 1);
	/* With libFuzzer the target says so itself; here the mutator is in another process. */
	if (!strcmp(job->target, "fuzz_race"))
		setenv("IOMMUZZ_MUTATOR", "threads", 0);
	const char *choice = getenv("IOMMUZZ_MUTATOR");
	if (job->raw || (choice && !strcmp(choice, "bytes")))
		return;
	char *mutator = campaign_text("%s/release/iommuzz_mutator.so", campaign->options.build);
	if (!access(mutator, R_OK)) {
		setenv("AFL_CUSTOM_MUTATOR_LIBRARY", mutator, 1);
		setenv("AFL_CUSTOM_MUTATOR_ONLY", "1", 1);
	}
	free(mutator);
}

/* Fills argv for libFuzzer; strings live until exec. */
static void libfuzzer_arguments(const struct campaign *campaign, const struct job *job,
	unsigned seconds, const char *seeds, char **argv)
{
	char *folder = job_folder(campaign, job);
	char *corpus = campaign_text("%s/corpus", folder);
	unsigned n = 0;
	argv[n++] = engine_binary(campaign, job->target);
	argv[n++] = campaign_text("-max_total_time=%u", seconds);
	argv[n++] = campaign_text("-artifact_prefix=%s/findings/", folder);
	argv[n++] = campaign_text("-timeout=%d", INPUT_SECONDS);
	argv[n++] = campaign_text("-rss_limit_mb=%d", MEMORY_MEGABYTES);
	argv[n++] = campaign_text("-max_len=%d", INPUT_BYTES_MAX);
	argv[n++] = campaign_text("-reload=0");
	argv[n++] = campaign_text("-print_final_stats=1");
	argv[n++] = corpus;
	argv[n++] = campaign_text("%s", seeds);
	argv[n] = NULL;
}

static void afl_arguments(const struct campaign *campaign, const struct job *job, unsigned seconds,
	const char *seeds, char **argv)
{
	unsigned n = 0;
	argv[n++] = campaign_text("afl-fuzz");
	argv[n++] = campaign_text("-i");
	argv[n++] = campaign_text("%s", seeds);
	argv[n++] = campaign_text("-o");
	argv[n++] = job_folder(campaign, job);
	argv[n++] = campaign_text("-V");
	argv[n++] = campaign_text("%u", seconds);
	argv[n++] = campaign_text("-m");
	argv[n++] = campaign_text("none");
	argv[n++] = campaign_text("-t");
	argv[n++] = campaign_text("%d", AFL_INPUT_MILLISECONDS);
	argv[n++] = campaign_text("-G");
	argv[n++] = campaign_text("%d", INPUT_BYTES_MAX);
	argv[n++] = campaign_text("--");
	argv[n++] = engine_binary(campaign, job->target);
	argv[n++] = campaign_text("-%d", AFL_RUNS_IN_ONE_PROCESS);
	argv[n] = NULL;
}

static int prepare_folders(const struct campaign *campaign, const struct job *job)
{
	char *folder = job_folder(campaign, job);
	int rc = campaign_folder(folder);
	if (!rc && campaign->options.engine == ENGINE_LIBFUZZER) {
		char *corpus = campaign_text("%s/corpus", folder);
		char *findings = campaign_text("%s/findings", folder);
		rc = campaign_folder(corpus);
		if (!rc)
			rc = campaign_folder(findings);
		free(corpus);
		free(findings);
	}
	free(folder);
	return rc;
}

/* In the child, until exec. The parent's death ends it, and Ctrl-C reaches only the parent. */
static _Noreturn void run_child(
	const struct campaign *campaign, const struct job *job, int output, char **argv)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	int null = open("/dev/null", O_RDONLY);
	dup2(null, STDIN_FILENO);
	dup2(output, STDOUT_FILENO);
	dup2(output, STDERR_FILENO);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	set_environment(campaign, job);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

int engine_start(const struct campaign *campaign, struct job *job, unsigned seconds)
{
	int rc = prepare_folders(campaign, job);
	if (rc)
		return rc;
	if (!job->log) {
		char *path = campaign_text("%s/%s-%s.log", campaign->options.work, job->target,
			campaign->options.engine == ENGINE_AFL ? "afl" : "libfuzzer");
		job->log = fopen(path, "we");
		free(path);
		if (!job->log)
			return -errno;
	}
	char *argv[ARGUMENT_MAX];
	char *seeds = seed_folder(campaign, job);
	if (campaign->options.engine == ENGINE_AFL)
		afl_arguments(campaign, job, seconds, seeds, argv);
	else
		libfuzzer_arguments(campaign, job, seconds, seeds, argv);
	int ends[2];
	rc = pipe2(ends, O_CLOEXEC) ? -errno : 0;
	if (!rc) {
		fflush(NULL);
		job->pid = fork();
		if (job->pid == 0)
			run_child(campaign, job, ends[1], argv);
		if (job->pid < 0) {
			rc = -errno;
			close(ends[0]);
		} else {
			job->output = ends[0];
			fcntl(job->output, F_SETFL, O_NONBLOCK);
		}
		close(ends[1]);
	}
	for (char **argument = argv; *argument; argument++)
		free(*argument);
	free(seeds);
	return rc;
}

/* The number behind a word of a status line, or the old one. */
static uint64_t number_after(const char *line, const char *word, uint64_t old)
{
	const char *at = strstr(line, word);
	return at ? strtoull(at + strlen(word), NULL, 10) : old;
}

/* One line of libFuzzer: "#2048 NEW cov: 17 ft: 20 corp: 5/20b ... exec/s: 1024", or a final
 * statistic. */
static void take_libfuzzer_line(struct job *job, const char *line)
{
	if (line[0] == '#') {
		job->executions = job->executions_before + strtoull(line + 1, NULL, 10);
		job->coverage = number_after(line, " cov: ", job->coverage);
		job->corpus = number_after(line, " corp: ", job->corpus);
		job->rate = number_after(line, " exec/s: ", job->rate);
	} else if (!strncmp(line, "stat::number_of_executed_units:", 31)) {
		job->executions = job->executions_before + strtoull(line + 31, NULL, 10);
	}
}

static void take_line(const struct campaign *campaign, struct job *job)
{
	job->line[job->line_length] = '\0';
	fprintf(job->log, "%s\n", job->line);
	if (job->line_length)
		memcpy(job->reason, job->line, job->line_length + 1);
	if (campaign->options.engine == ENGINE_LIBFUZZER)
		take_libfuzzer_line(job, job->line);
	job->line_length = 0;
}

bool engine_read(const struct campaign *campaign, struct job *job)
{
	char chunk[4096];
	for (;;) {
		ssize_t got = read(job->output, chunk, sizeof(chunk));
		if (got < 0)
			return errno == EAGAIN || errno == EINTR;
		if (got == 0)
			break;
		for (ssize_t i = 0; i < got; i++) {
			if (chunk[i] == '\n')
				take_line(campaign, job);
			else if (job->line_length < sizeof(job->line) - 1)
				job->line[job->line_length++] = chunk[i];
		}
	}
	if (job->line_length)
		take_line(campaign, job);
	fflush(job->log);
	return false;
}

/* fuzzer_stats: "execs_done        : 12345". AFL++ writes it once a minute and at the end. */
static void read_afl_stats(struct job *job, const char *folder)
{
	char *path = campaign_text("%s/default/fuzzer_stats", folder);
	FILE *file = fopen(path, "re");
	free(path);
	if (!file)
		return;
	char line[CAMPAIGN_LINE_MAX];
	while (fgets(line, sizeof(line), file)) {
		const char *colon = strchr(line, ':');
		if (!colon)
			continue;
		uint64_t value = strtoull(colon + 1, NULL, 10);
		if (!strncmp(line, "execs_done ", 11) && value > job->executions)
			job->executions = value;
		else if (!strncmp(line, "corpus_count ", 13))
			job->corpus = value;
		else if (!strncmp(line, "edges_found ", 12))
			job->coverage = value;
		else if (!strncmp(line, "execs_per_sec ", 14))
			job->rate = value;
		else if (!strncmp(line, "stability ", 10))
			job->stability = strtod(colon + 1, NULL);
	}
	fclose(file);
}

/* plot_data, written every few seconds; its columns are named in the first line. */
static void read_afl_plot(struct job *job, const char *folder)
{
	char *path = campaign_text("%s/default/plot_data", folder);
	FILE *file = fopen(path, "re");
	free(path);
	if (!file)
		return;
	char line[CAMPAIGN_LINE_MAX], last[CAMPAIGN_LINE_MAX] = "";
	while (fgets(line, sizeof(line), file))
		if (line[0] != '#')
			memcpy(last, line, strlen(line) + 1);
	fclose(file);
	/* relative_time, cycles_done, cur_item, corpus_count, pending_total, pending_favs,
	   map_size, saved_crashes, saved_hangs, max_depth, execs_per_sec, total_execs, edges_found
	 */
	unsigned long long corpus, executions, edges;
	double rate;
	if (sscanf(last, "%*u, %*u, %*u, %llu, %*u, %*u, %*[^,], %*u, %*u, %*u, %lf, %llu, %llu",
		    &corpus, &rate, &executions, &edges) == 4) {
		job->corpus = corpus;
		job->rate = (uint64_t)rate;
		job->executions = executions;
		job->coverage = edges;
	}
}

void engine_poll(const struct campaign *campaign, struct job *job)
{
	if (campaign->options.engine == ENGINE_AFL) {
		char *folder = job_folder(campaign, job);
		read_afl_plot(job, folder);
		read_afl_stats(job, folder);
		free(folder);
	}
	job->findings = engine_list_findings(campaign, job, NULL, 0);
}

static bool is_program(const char *name)
{
	size_t length = strlen(name), suffix = strlen(CAMPAIGN_PROGRAM_SUFFIX);

	return length > suffix && !strcmp(name + length - suffix, CAMPAIGN_PROGRAM_SUFFIX);
}

static int is_finding(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && !is_program(entry->d_name) &&
	       strcmp(entry->d_name, "README.txt") && strncmp(entry->d_name, "slow-unit-", 10);
}

static unsigned list_folder(
	const struct job *job, const char *folder, char **paths, unsigned found, unsigned room)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, is_finding, alphasort);
	for (int i = 0; i < count; i++) {
		char *path = campaign_text("%s/%s", folder, entries[i]->d_name);
		struct stat status;
		bool ours = !stat(path, &status) && S_ISREG(status.st_mode) &&
			    status.st_mtime >= job->started_clock;
		if (ours && found < room)
			paths[found] = path;
		else
			free(path);
		found += ours;
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return found;
}

unsigned engine_list_findings(
	const struct campaign *campaign, const struct job *job, char **paths, unsigned room)
{
	char *folder = engine_findings(campaign, job);
	unsigned found = list_folder(job, folder, paths, 0, room);
	free(folder);
	if (campaign->options.engine == ENGINE_AFL) {
		char *own = job_folder(campaign, job);
		folder = campaign_text("%s/default/hangs", own);
		found = list_folder(job, folder, paths, found, room);
		free(folder);
		free(own);
	}
	return found;
}
