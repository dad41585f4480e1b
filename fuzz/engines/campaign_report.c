/* SPDX-License-Identifier: Apache-2.0 */
/* What a campaign shows: live lines, the table at the end, findings as programs. */
#define _GNU_SOURCE
#include "fuzz/engines/campaign_private.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define FINDING_SHOWN_MAX 10 /* for each target; the others are counted */
#define FINDING_LINES_MAX 60
#define REPLAY_SECONDS	  "30"
#define DUMP_BYTES_MAX	  256

void report_line(const struct campaign *campaign, const struct job *job, FILE *out)
{
	static const char *const states[] = {"waiting", "running", "done"};
	double end = job->state == JOB_DONE ? job->ended : campaign_now();
	unsigned elapsed = job->state == JOB_WAITING ? 0 : (unsigned)(end - job->started);
	fprintf(out, "%-14s %-7s %4u/%us %8ju exec/s %6ju corpus %6ju cov %3u findings",
		job->target, job->broken ? "broken" : states[job->state], elapsed,
		campaign->options.seconds, (uintmax_t)job->rate, (uintmax_t)job->corpus,
		(uintmax_t)job->coverage, job->findings);
}

void report_live(const struct campaign *campaign, bool first)
{
	if (campaign->terminal && !first)
		printf("\033[%uA", campaign->count);
	for (unsigned i = 0; i < campaign->count; i++) {
		const struct job *job = &campaign->list[i];
		if (!campaign->terminal && job->state != JOB_RUNNING)
			continue;
		report_line(campaign, job, stdout);
		fputs(campaign->terminal ? "\033[K\n" : "\n", stdout);
	}
	fflush(stdout);
}

static void print_table(const struct campaign *campaign)
{
	printf("\n%-16s %7s %12s %9s %8s %8s %9s %9s\n", "target", "seconds", "executions",
		"exec/s", "corpus", "coverage", "stability", "findings");
	for (unsigned i = 0; i < campaign->count; i++) {
		const struct job *job = &campaign->list[i];
		double seconds = job->state == JOB_WAITING ? 0 : job->ended - job->started;
		char stability[16] = "-";
		if (job->stability >= 0)
			snprintf(stability, sizeof(stability), "%.2f%%", job->stability);
		printf("%-16s %7.0f %12ju %9.0f %8ju %8ju %9s %9u\n", job->target, seconds,
			(uintmax_t)job->executions,
			seconds >= 1 ? (double)job->executions / seconds : 0.0,
			(uintmax_t)job->corpus, (uintmax_t)job->coverage, stability, job->findings);
	}
}

/* The output of a command, both streams, to be freed; at most so many lines. */
static char *take_output(const char *const *argv)
{
	int ends[2];
	char *text = NULL;
	size_t size;
	FILE *copy = open_memstream(&text, &size);
	fflush(NULL);
	if (!copy || pipe(ends))
		abort();
	pid_t pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDOUT_FILENO);
		dup2(ends[1], STDERR_FILENO);
		close(ends[0]);
		close(ends[1]);
		execvp(argv[0], (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	close(ends[1]);
	FILE *output = fdopen(ends[0], "r");
	char line[CAMPAIGN_LINE_MAX];
	unsigned lines = 0;
	while (output && fgets(line, sizeof(line), output)) {
		line[strcspn(line, "\n")] = '\0';
		if (lines++ < FINDING_LINES_MAX)
			fprintf(copy, "    %s\n", line);
	}
	if (lines > FINDING_LINES_MAX)
		fprintf(copy, "    (%u more lines)\n", lines - FINDING_LINES_MAX);
	if (output)
		fclose(output);
	if (pid > 0)
		waitpid(pid, NULL, 0);
	fclose(copy);
	return text;
}

/*
 * What tells one cause from another, to be freed: first and last line of a report without its
 * numbers. The lines between hold the program's own words.
 */
static char *cause_of(const char *report)
{
	char *cause = campaign_text("%s", report), *out = cause;
	size_t length = strlen(report);
	while (length && report[length - 1] == '\n')
		length--;
	size_t last = length;
	while (last && report[last - 1] != '\n')
		last--;
	size_t first = strcspn(report, "\n");
	for (size_t i = 0; i < length; i++)
		if ((i < first || i >= last) && !isdigit((unsigned char)report[i]))
			*out++ = report[i];
	*out = '\0';
	return cause;
}

/* Raw inputs: text where they are text, else a dump. */
static void show_bytes(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (!file)
		return;
	unsigned char bytes[DUMP_BYTES_MAX];
	size_t size = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	for (size_t at = 0; at < size; at += 16) {
		printf("    %04zx ", at);
		for (size_t i = at; i < at + 16; i++)
			if (i < size)
				printf(" %02x", bytes[i]);
			else
				printf("   ");
		printf("  ");
		for (size_t i = at; i < at + 16 && i < size; i++)
			putchar(isprint(bytes[i]) ? bytes[i] : '.');
		putchar('\n');
	}
}

/*
 * What the target says when it runs the finding again; the command is handed out too. Both to be
 * freed. The target writes the program that it made of the input to the file `program`, before it
 * runs it; the text target has none.
 */
static char *replay_finding(const struct campaign *campaign, const struct job *job,
	const char *path, const char *program, char **command)
{
	char *replay = campaign_text("%s/asan/%s_replay", campaign->options.build, job->target);
	if (access(replay, X_OK)) {
		free(replay);
		replay = campaign_text("%s/afl/%s_replay", campaign->options.build, job->target);
	}
	unlink(program);
	setenv("IOMMUZZ_PROGRAM", program, 1);
	char *report = take_output(
		(const char *const[]){"timeout", REPLAY_SECONDS, replay, "--quiet", path, NULL});
	unsetenv("IOMMUZZ_PROGRAM");
	*command = replay;
	return report;
}

/* The command that sees what the engine saw: with its sanitizers, if it was built so. To be freed.
 */
static char *command_for(const struct campaign *campaign)
{
	char *sanitized = campaign_text("%s/asan/iommuzz", campaign->options.build);

	if (!access(sanitized, X_OK))
		return sanitized;
	free(sanitized);
	return campaign_text("%s", campaign->self);
}

static void show_program(const struct campaign *campaign, const char *program)
{
	char *command = command_for(campaign);
	char *text = take_output((const char *const[]){campaign->self, "fmt", program, NULL});

	printf("  the program: %s (shorter: %s min %s)\n%s", program, command, program, text);
	free(text);
	free(command);
}

static void show_finding(const struct campaign *campaign, const struct job *job, const char *path,
	const char *program, const char *report, const char *replay)
{
	printf("\nfinding of %s: %s\n", job->target, path);
	if (!access(program, R_OK))
		show_program(campaign, program);
	else
		show_bytes(path);
	printf("  what is wrong (again: %s %s)\n%s", replay, path, report);
}

/* The findings of a target; those of a cause that was shown are only named. */
static void show_findings(const struct campaign *campaign, const struct job *job)
{
	char *paths[FINDING_SHOWN_MAX], *causes[FINDING_SHOWN_MAX];
	unsigned found = engine_list_findings(campaign, job, paths, FINDING_SHOWN_MAX);
	unsigned shown = found < FINDING_SHOWN_MAX ? found : FINDING_SHOWN_MAX;
	for (unsigned i = 0; i < shown; i++) {
		char *program = campaign_text("%s" CAMPAIGN_PROGRAM_SUFFIX, paths[i]);
		char *replay, *report = replay_finding(campaign, job, paths[i], program, &replay);
		unsigned same = 0;
		causes[i] = cause_of(report);
		while (strcmp(causes[same], causes[i]))
			same++;
		if (same == i)
			show_finding(campaign, job, paths[i], program, report, replay);
		else
			printf("\nfinding of %s: %s\n  the same as %s\n", job->target, paths[i],
				strrchr(paths[same], '/') + 1);
		free(program);
		free(replay);
		free(report);
	}
	for (unsigned i = 0; i < shown; i++) {
		free(paths[i]);
		free(causes[i]);
	}
	if (found > shown)
		printf("\n%s: %u more findings\n", job->target, found - shown);
}

void report_summary(const struct campaign *campaign)
{
	print_table(campaign);
	for (unsigned i = 0; i < campaign->count; i++) {
		const struct job *job = &campaign->list[i];
		if (job->broken)
			printf("\n%s could not run: %s\n", job->target, job->reason);
		if (job->state != JOB_WAITING)
			show_findings(campaign, job);
	}
	fflush(stdout);
}
