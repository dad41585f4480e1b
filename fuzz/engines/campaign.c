/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign: its targets, and the loop that starts, watches and ends the engines. */
#define _GNU_SOURCE
#include "fuzz/engines/campaign.h"

#include "fuzz/engines/campaign_private.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_MIN 5 /* an engine that loads its corpus gets nowhere in less */
/* A defect that is met again and again: after so many restarts the target has shown enough. */
#define RESTART_MAX 8
#define GRACE_SECONDS                                                                              \
	15 /* beyond its time, before an engine is asked to end; as much again before it is killed \
	    */
#define PLAIN_EVERY_SECONDS 10

enum exit_code { EXIT_CLEAN = 0, EXIT_FINDINGS = 1, EXIT_BROKEN = 2, EXIT_INTERRUPTED = 130 };

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

char *campaign_text(const char *format, ...)
{
	va_list arguments;
	char *text;
	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		abort();
	va_end(arguments);
	return text;
}

double campaign_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int campaign_folder(const char *path)
{
	char *copy = campaign_text("%s/", path);
	int rc = 0;
	for (char *slash = strchr(copy + 1, '/'); slash && !rc; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		if (mkdir(copy, 0777) && errno != EEXIST)
			rc = -errno;
		*slash = '/';
	}
	free(copy);
	return rc;
}

/* Targets whose inputs are bytes and not programs: the list is the build's. */
static bool is_raw(const char *target)
{
	const char *at = IOMMUZZ_RAW_TARGETS;
	size_t length = strlen(target);
	while (*at) {
		size_t word = strcspn(at, " ");
		if (word == length && !strncmp(at, target, length))
			return true;
		at += word + (at[word] == ' ');
	}
	return false;
}

static bool is_wanted(const struct campaign *campaign, const char *target)
{
	for (unsigned i = 0; i < campaign->options.wanted_count; i++)
		if (!strcmp(campaign->options.wanted[i], target))
			return true;
	return !campaign->options.wanted_count;
}

static int is_target(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '_');
	return !strncmp(entry->d_name, "fuzz_", 5) && strcmp(end, "_replay") &&
	       !strpbrk(entry->d_name, ".-");
}

/* The names of all targets that were built, in a line, to be freed. */
static char *target_names(struct dirent **entries, int count)
{
	char *names = campaign_text("%s", "");

	for (int i = 0; i < count; i++) {
		char *longer =
			campaign_text("%s%s%s", names, *names ? ", " : "", entries[i]->d_name);

		free(names);
		names = longer;
	}
	return names;
}

static bool was_built(struct dirent **entries, int count, const char *target)
{
	for (int i = 0; i < count; i++)
		if (!strcmp(entries[i]->d_name, target))
			return true;
	return false;
}

/* Whether every target that is wanted is there; says which is not. */
static bool has_wanted(const struct campaign *campaign, struct dirent **entries, int count,
	const char *folder, void (*error)(const char *format, ...))
{
	if (count <= 0) {
		error("fuzz: no fuzz targets in %s; ./ci/fuzz builds them", folder);
		return false;
	}
	for (unsigned i = 0; i < campaign->options.wanted_count; i++) {
		if (was_built(entries, count, campaign->options.wanted[i]))
			continue;
		char *names = target_names(entries, count);
		error("--target: expected one of %s, found '%s'", names,
			campaign->options.wanted[i]);
		free(names);
		return false;
	}
	return true;
}

static void add_job(struct campaign *campaign, const char *target)
{
	char *path = engine_binary(campaign, target);
	struct stat status;

	if (campaign->count < CAMPAIGN_TARGET_MAX && !stat(path, &status) &&
		S_ISREG(status.st_mode) && is_wanted(campaign, target)) {
		struct job *job = &campaign->list[campaign->count++];
		job->target = campaign_text("%s", target);
		job->raw = is_raw(job->target);
		job->output = -1;
		job->stability = -1;
	}
	free(path);
}

/* Targets are the binaries fuzz_NAME in the preset's build directory. */
static bool find_targets(struct campaign *campaign, void (*error)(const char *format, ...))
{
	char *folder = engine_binary(campaign, "");
	struct dirent **entries = NULL;
	int count = scandir(folder, &entries, is_target, alphasort);
	bool found = has_wanted(campaign, entries, count, folder, error);

	campaign->list = calloc(CAMPAIGN_TARGET_MAX, sizeof(*campaign->list));
	for (int i = 0; i < count; i++) {
		if (found && campaign->list)
			add_job(campaign, entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	free(folder);
	return found && campaign->count;
}

static unsigned remaining_seconds(const struct campaign *campaign, const struct job *job)
{
	double left = job->started + campaign->options.seconds - campaign_now();
	return left > 0 ? (unsigned)left : 0;
}

static void end_job(struct job *job)
{
	job->state = JOB_DONE;
	job->ended = campaign_now();
	if (job->log)
		fclose(job->log);
	job->log = NULL;
}

static void break_job(struct job *job, int rc)
{
	job->broken = true;
	snprintf(job->reason, sizeof(job->reason), "%s", strerror(-rc));
	end_job(job);
}

static void start_job(const struct campaign *campaign, struct job *job)
{
	job->started = campaign_now();
	job->started_clock = time(NULL);
	job->state = JOB_RUNNING;
	int rc = engine_start(campaign, job, campaign->options.seconds);
	if (rc)
		break_job(job, rc);
}

/* The engine ended. One that stopped at a finding goes on for the rest of its time. */
static void reap_job(const struct campaign *campaign, struct job *job, int status)
{
	unsigned before = job->findings_before;
	engine_read(campaign, job);
	close(job->output);
	job->output = -1;
	engine_poll(campaign, job);
	bool failed = !WIFEXITED(status) || WEXITSTATUS(status);
	job->executions_before = job->executions;
	if (!failed || job->stopping || !job->findings) {
		job->broken = !job->stopping && (failed || !job->executions);
		end_job(job);
		return;
	}
	unsigned left = remaining_seconds(campaign, job);
	if (job->findings == before || left < SECONDS_MIN || job->restarts == RESTART_MAX) {
		end_job(job);
		return;
	}
	job->restarts++;
	job->findings_before = job->findings;
	int rc = engine_start(campaign, job, left);
	if (rc)
		break_job(job, rc);
}

static void stop_late_job(const struct campaign *campaign, struct job *job)
{
	double late = campaign_now() - job->started - campaign->options.seconds - GRACE_SECONDS;
	if (late > GRACE_SECONDS)
		kill(-job->pid, SIGKILL);
	if ((interrupted || late > 0) && !job->stopping) {
		job->stopping = true;
		kill(-job->pid, SIGINT);
	}
}

/* Lets the running jobs run for a moment, and takes what they say. Returns how many still run. */
static unsigned watch_jobs(const struct campaign *campaign)
{
	struct pollfd outputs[CAMPAIGN_TARGET_MAX];
	struct job *jobs[CAMPAIGN_TARGET_MAX];
	nfds_t count = 0;
	unsigned running = 0;
	for (unsigned i = 0; i < campaign->count; i++)
		if (campaign->list[i].state == JOB_RUNNING) {
			jobs[count] = &campaign->list[i];
			outputs[count++] =
				(struct pollfd){.fd = campaign->list[i].output, .events = POLLIN};
		}
	/* An engine may close its output before it ends: no busy loop then. */
	if (poll(outputs, count, 250) > 0)
		usleep(50 * 1000);
	for (nfds_t i = 0; i < count; i++) {
		int status;
		engine_read(campaign, jobs[i]);
		if (waitpid(jobs[i]->pid, &status, WNOHANG) == jobs[i]->pid)
			reap_job(campaign, jobs[i], status);
		else
			stop_late_job(campaign, jobs[i]);
		running += jobs[i]->state == JOB_RUNNING;
	}
	return running;
}

static void start_waiting_jobs(const struct campaign *campaign, unsigned running)
{
	for (unsigned i = 0; i < campaign->count && running < campaign->options.jobs; i++)
		if (campaign->list[i].state == JOB_WAITING && !interrupted) {
			start_job(campaign, &campaign->list[i]);
			running += campaign->list[i].state == JOB_RUNNING;
		}
}

static bool all_ended(const struct campaign *campaign)
{
	for (unsigned i = 0; i < campaign->count; i++)
		if (campaign->list[i].state == JOB_RUNNING ||
			(campaign->list[i].state == JOB_WAITING && !interrupted))
			return false;
	return true;
}

static void run_jobs(const struct campaign *campaign)
{
	unsigned running = 0;
	bool first = true;
	double shown = campaign_now();
	while (!all_ended(campaign)) {
		start_waiting_jobs(campaign, running);
		running = watch_jobs(campaign);
		double every = campaign->terminal ? 1 : PLAIN_EVERY_SECONDS;
		if (campaign_now() - shown < every && !(campaign->terminal && first))
			continue;
		for (unsigned i = 0; i < campaign->count; i++)
			if (campaign->list[i].state == JOB_RUNNING)
				engine_poll(campaign, &campaign->list[i]);
		report_live(campaign, first);
		first = false;
		shown = campaign_now();
	}
	if (campaign->terminal)
		report_live(campaign, first);
}

static int judge(const struct campaign *campaign)
{
	unsigned findings = 0, broken = 0;
	for (unsigned i = 0; i < campaign->count; i++) {
		const struct job *job = &campaign->list[i];
		findings += job->findings;
		broken += job->broken;
		if (campaign->options.require_stability && job->state == JOB_DONE &&
			job->stability < 100) {
			printf("%s: stability is %.2f%%, not 100.00%%\n", job->target,
				job->stability);
			findings++;
		}
	}
	if (findings)
		return EXIT_FINDINGS;
	if (broken)
		return EXIT_BROKEN;
	return interrupted ? EXIT_INTERRUPTED : EXIT_CLEAN;
}

/* Where this command lies, and the folder with all build directories. Both must be freed. */
static void find_self(char **self, char **build)
{
	char path[4096];
	ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[length > 0 ? length : 0] = '\0';
	*self = campaign_text("%s", path);
	for (int i = 0; i < 2; i++) {
		char *slash = strrchr(path, '/');
		if (slash)
			*slash = '\0';
	}
	*build = campaign_text("%s", path[0] ? path : "build");
}

static void share_time(struct campaign *campaign)
{
	if (!campaign->options.total)
		return;
	unsigned rounds = (campaign->count + campaign->options.jobs - 1) / campaign->options.jobs;
	campaign->options.seconds = campaign->options.total / rounds;
	if (campaign->options.seconds < SECONDS_MIN)
		campaign->options.seconds = SECONDS_MIN;
}

static void fill_defaults(struct campaign_options *options)
{
	if (!options->seconds)
		options->seconds = CAMPAIGN_SECONDS_DEFAULT;
	if (!options->jobs)
		options->jobs = CAMPAIGN_JOBS_DEFAULT;
}

static int run_to_end(struct campaign *campaign)
{
	struct sigaction action = {.sa_handler = on_signal}, old_int, old_term;

	interrupted = 0;
	sigaction(SIGINT, &action, &old_int);
	sigaction(SIGTERM, &action, &old_term);
	share_time(campaign);
	run_jobs(campaign);
	report_summary(campaign);
	int code = judge(campaign);
	sigaction(SIGINT, &old_int, NULL);
	sigaction(SIGTERM, &old_term, NULL);
	return code;
}

int campaign_run(const struct campaign_options *options, void (*error)(const char *format, ...))
{
	struct campaign campaign = {.options = *options, .terminal = isatty(STDOUT_FILENO)};
	char *self, *build, *work = NULL;

	find_self(&self, &build);
	fill_defaults(&campaign.options);
	campaign.self = self;
	if (!campaign.options.build)
		campaign.options.build = build;
	if (!campaign.options.work)
		campaign.options.work = work = campaign_text("%s/campaign", campaign.options.build);
	int code = find_targets(&campaign, error) ? run_to_end(&campaign) : EXIT_BROKEN;
	for (unsigned i = 0; i < campaign.count; i++)
		free(campaign.list[i].target);
	free(campaign.list);
	free(work);
	free(build);
	free(self);
	return code;
}
