/* SPDX-License-Identifier: Apache-2.0 */
/* A campaign: its options, and the loop that starts, watches and ends the engines. */
#define _GNU_SOURCE
#include "fuzz/engines/campaign.h"

#include "fuzz/engines/campaign_private.h"

#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_DEFAULT 60
#define SECONDS_MIN	5 /* an engine that loads its corpus gets nowhere in less */
#define JOBS_DEFAULT	2
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

static int usage(const char *name, FILE *to, int code)
{
	fprintf(to,
		"usage: %s [OPTION]...\n"
		"Fuzzes every target and says what was found.\n\n"
		"  --seconds N      for each target (default %d)\n"
		"  --total N        for all targets together, shared evenly\n"
		"  --engine NAME    libfuzzer (default) or afl\n"
		"  --target NAME    only this one; may be given several times\n"
		"  --jobs N         targets at a time (default %d)\n"
		"  --build DIR      where the build directories asan, afl and release lie\n"
		"                   (default: beside the one of this command)\n"
		"  --work DIR       corpora, findings and logs; a later campaign goes on from "
		"them\n"
		"                   (default: BUILD/campaign)\n"
		"  --seeds DIR      first inputs of every target (default: "
		"BUILD/release/seeds/TARGET)\n"
		"  --require-stability  afl: less than 100 %% stability is a failure\n"
		"  --help           this text\n\n"
		"Ctrl-C ends the campaign with its summary and keeps what was found.\n"
		"IOMMUZZ_MUTATOR=bytes leaves all mutation to the engine.\n\n"
		"Exit: 0 nothing found, 1 findings, 2 wrong usage or an engine could not run,\n"
		"130 interrupted and nothing found.\n",
		name, SECONDS_DEFAULT, JOBS_DEFAULT);
	return code;
}

/* A count from 1 to a year of seconds. False with a message when the text is no such number. */
static bool parse_count(const char *name, const char *option, const char *text, unsigned *count)
{
	char *end;
	errno = 0;
	long value = strtol(text, &end, 10);
	if (errno || *end || end == text || value < 1 || value > 366L * 86400) {
		fprintf(stderr, "%s: --%s %s: a number from 1 is expected\n", name, option, text);
		return false;
	}
	*count = (unsigned)value;
	return true;
}

static bool parse_engine(const char *name, const char *text, enum campaign_engine *engine)
{
	if (!strcmp(text, "libfuzzer"))
		*engine = ENGINE_LIBFUZZER;
	else if (!strcmp(text, "afl"))
		*engine = ENGINE_AFL;
	else {
		fprintf(stderr, "%s: --engine %s: libfuzzer or afl is expected\n", name, text);
		return false;
	}
	return true;
}

static bool add_wanted(const char *name, struct campaign *campaign, const char *target)
{
	if (campaign->wanted_count == CAMPAIGN_TARGET_MAX) {
		fprintf(stderr, "%s: more than %d targets\n", name, CAMPAIGN_TARGET_MAX);
		return false;
	}
	campaign->wanted[campaign->wanted_count++] = target;
	return true;
}

/* Returns -1 to go on, or an exit code. */
static int parse_options(struct campaign *campaign, int argc, char **argv)
{
	static const struct option options[] = {
		{"seconds", required_argument, NULL, 's'},
		{"total", required_argument, NULL, 'T'},
		{"engine", required_argument, NULL, 'e'},
		{"target", required_argument, NULL, 't'},
		{"jobs", required_argument, NULL, 'j'},
		{"build", required_argument, NULL, 'b'},
		{"work", required_argument, NULL, 'w'},
		{"seeds", required_argument, NULL, 'S'},
		{"require-stability", no_argument, NULL, 'r'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	const char *name = argv[0];
	bool good = true;
	int option, index;
	optind = 0;
	while (good && (option = getopt_long(argc, argv, "", options, &index)) != -1) {
		switch (option) {
		case 's': good = parse_count(name, "seconds", optarg, &campaign->seconds); break;
		case 'T': good = parse_count(name, "total", optarg, &campaign->total); break;
		case 'e': good = parse_engine(name, optarg, &campaign->engine); break;
		case 't': good = add_wanted(name, campaign, optarg); break;
		case 'j': good = parse_count(name, "jobs", optarg, &campaign->jobs); break;
		case 'b': campaign->build = optarg; break;
		case 'w': campaign->work = optarg; break;
		case 'S': campaign->seeds = optarg; break;
		case 'r': campaign->require_stability = true; break;
		case 'h': return usage(name, stdout, EXIT_CLEAN);
		default: return EXIT_BROKEN;
		}
	}
	if (good && optind < argc) {
		fprintf(stderr, "%s: unexpected argument: %s\n", name, argv[optind]);
		good = false;
	}
	return good ? -1 : EXIT_BROKEN;
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
	for (unsigned i = 0; i < campaign->wanted_count; i++)
		if (!strcmp(campaign->wanted[i], target))
			return true;
	return !campaign->wanted_count;
}

static int is_target(const struct dirent *entry)
{
	const char *end = strrchr(entry->d_name, '_');
	return !strncmp(entry->d_name, "fuzz_", 5) && strcmp(end, "_replay") &&
	       !strpbrk(entry->d_name, ".-");
}

/* Targets are the binaries fuzz_NAME in the preset's build directory. */
static bool find_targets(const char *name, struct campaign *campaign)
{
	char *folder = engine_binary(campaign, "");
	struct dirent **entries;
	int count = scandir(folder, &entries, is_target, alphasort);
	campaign->list = calloc(CAMPAIGN_TARGET_MAX, sizeof(*campaign->list));
	for (int i = 0; i < count; i++) {
		char *path = engine_binary(campaign, entries[i]->d_name);
		struct stat status;
		if (campaign->list && campaign->count < CAMPAIGN_TARGET_MAX &&
			!stat(path, &status) && S_ISREG(status.st_mode) &&
			is_wanted(campaign, entries[i]->d_name)) {
			struct job *job = &campaign->list[campaign->count++];
			job->target = campaign_text("%s", entries[i]->d_name);
			job->raw = is_raw(job->target);
			job->output = -1;
			job->stability = -1;
		}
		free(path);
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	bool found = campaign->count && campaign->count >= campaign->wanted_count;
	if (!found)
		fprintf(stderr, "%s: %s: %s\n", name, folder,
			campaign->wanted_count ? "no such fuzz target"
					       : "no fuzz targets; build them first");
	free(folder);
	return found;
}

static unsigned remaining_seconds(const struct campaign *campaign, const struct job *job)
{
	double left = job->started + campaign->seconds - campaign_now();
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
	int rc = engine_start(campaign, job, campaign->seconds);
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
	double late = campaign_now() - job->started - campaign->seconds - GRACE_SECONDS;
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
	for (unsigned i = 0; i < campaign->count && running < campaign->jobs; i++)
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
		if (campaign->require_stability && job->state == JOB_DONE && job->stability < 100) {
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
	if (!campaign->total)
		return;
	unsigned rounds = (campaign->count + campaign->jobs - 1) / campaign->jobs;
	campaign->seconds = campaign->total / rounds;
	if (campaign->seconds < SECONDS_MIN)
		campaign->seconds = SECONDS_MIN;
}

int campaign_main(int argc, char **argv)
{
	struct campaign campaign = {.seconds = SECONDS_DEFAULT, .jobs = JOBS_DEFAULT};
	char *self, *build, *work = NULL;
	find_self(&self, &build);
	campaign.self = self;
	campaign.build = build;
	campaign.terminal = isatty(STDOUT_FILENO);
	int code = parse_options(&campaign, argc, argv);
	if (code < 0 && !campaign.work)
		campaign.work = work = campaign_text("%s/campaign", campaign.build);
	if (code < 0 && !find_targets(argv[0], &campaign))
		code = EXIT_BROKEN;
	if (code < 0) {
		struct sigaction action = {.sa_handler = on_signal}, old_int, old_term;
		interrupted = 0;
		sigaction(SIGINT, &action, &old_int);
		sigaction(SIGTERM, &action, &old_term);
		share_time(&campaign);
		run_jobs(&campaign);
		report_summary(&campaign);
		code = judge(&campaign);
		sigaction(SIGINT, &old_int, NULL);
		sigaction(SIGTERM, &old_term, NULL);
	}
	for (unsigned i = 0; i < campaign.count; i++)
		free(campaign.list[i].target);
	free(campaign.list);
	free(work);
	free(build);
	free(self);
	return code;
}
