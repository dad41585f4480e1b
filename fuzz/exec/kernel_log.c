/* SPDX-License-Identifier: Apache-2.0 */
/* Reads /dev/kmsg and recognises reports of the kernel among other lines. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fuzz/exec/kernel_log.h"

#define RECORD_MAX 8192

struct kernel_log {
	int fd;
	bool takes_all; /* what processes write, too */
};

/* Words that begin a report. Those marked so count only at the beginning of a line. */
static const struct {
	const char *word;
	bool at_start;
} report_words[] = {
	{"WARNING: ", true},
	{"BUG: ", false},
	{"kernel BUG at ", false},
	{"Oops: ", false},
	{"Oops[", false},
	{"general protection fault", false},
	{"KASAN: ", false},
	{"KCSAN: ", false},
	{"KFENCE: ", false},
	{"KMSAN: ", false},
	{"UBSAN: ", false},
	{"possible circular locking dependency", false},
	{"possible recursive locking", false},
	{"possible irq lock inversion", false},
	{"INFO: possible ", false},
	{"INFO: inconsistent lock state", false},
	{"INFO: trying to register non-static key", false},
	{"WARNING: suspicious RCU usage", false},
	{"suspicious RCU usage", false},
	{"refcount_t: ", true},
	{"INFO: task ", true},
	{"rcu_preempt detected stalls", false},
	{"rcu_sched detected stalls", false},
	{"self-detected stall", false},
	{"soft lockup - ", false},
	{"unable to handle ", false},
	{"Unable to handle ", false},
	{"list_add corruption", false},
	{"list_del corruption", false},
	{"bad page state", false},
	{"Bad page state", false},
	{"divide error: ", false},
	{"stack-protector: ", false},
	{"Kernel panic", false},
	{"DMA-API: ", false},
	{"kmemleak: ", true},
	{"DEBUG_LOCKS_WARN_ON", true},
	{"ODEBUG: ", true},
	{"memory leak", false},
};

/* Lines with such words that report nothing. */
static const char *const harmless[] = {
	"FAULT_INJECTION: ",
	"fault-injection",
	"kmemleak: Kernel memory leak detector initialized",
	"kmemleak: Automatic memory scanning thread started",
	"kmemleak: Kernel memory leak detector disabled",
	"kmemleak: Memory pool size",
	"DMA-API: preallocated",
	"DMA-API: debugging enabled by kernel config",
	"KASAN: KernelAddressSanitizer initialized",
	"KernelAddressSanitizer initialized",
	"KFENCE: initialized",
	"kcsan: enabled",
};

/* Separators around lockdep's and KASAN's reports. */
static bool is_ruler(const char *line)
{
	size_t length = strspn(line, "=-");

	return length >= 8 && !line[length];
}

bool kernel_log_starts_report(const char *line)
{
	for (size_t i = 0; i < sizeof(harmless) / sizeof(harmless[0]); i++)
		if (strstr(line, harmless[i]))
			return false;
	for (size_t i = 0; i < sizeof(report_words) / sizeof(report_words[0]); i++) {
		const char *at = strstr(line, report_words[i].word);

		if (!at || (report_words[i].at_start && at != line))
			continue;
		/* A stuck task is said to be "blocked for more than"; other tasks are none. */
		if (!strcmp(report_words[i].word, "INFO: task ") &&
			!strstr(line, "blocked for more than"))
			continue;
		return true;
	}
	return false;
}

/* A report ends with its trace; what comes behind belongs to something else. */
static bool ends_report(const char *line)
{
	return strstr(line, "---[ end ") || !strcmp(line, " </TASK>") || !strcmp(line, "</TASK>");
}

/* Without time and process: what is behind "[  12.3] " and "[   T123] ". */
const char *kernel_log_message(const char *line)
{
	while (*line == '[') {
		const char *end = strchr(line, ']');

		if (!end || strspn(line + 1, " 0123456789.TC") != (size_t)(end - line - 1))
			break;
		line = end + 1;
		while (*line == ' ')
			line++;
	}
	return line;
}

void kernel_log_reader_begin(
	struct kernel_log_reader *reader, char *title, size_t title_size, char *text, size_t size)
{
	*reader = (struct kernel_log_reader){
		.title = title, .title_size = title_size, .text = text, .size = size};
	if (title_size)
		title[0] = 0;
	if (size)
		text[0] = 0;
}

static void append(struct kernel_log_reader *reader, const char *line)
{
	size_t length = strlen(line);

	/* Cut at a whole line. */
	if (reader->used + length + 2 > reader->size)
		return;
	memcpy(reader->text + reader->used, line, length);
	reader->used += length;
	reader->text[reader->used++] = '\n';
	reader->text[reader->used] = 0;
}

/* Sanitizers say more behind the trace, up to a second line like that above their report. */
static bool is_ruled(const char *message)
{
	return strstr(message, "KASAN: ") || strstr(message, "KCSAN: ") ||
	       strstr(message, "KMSAN: ") || strstr(message, "KFENCE: ") ||
	       strstr(message, "UBSAN: ");
}

void kernel_log_reader_line(struct kernel_log_reader *reader, const char *line)
{
	const char *message = kernel_log_message(line);

	if (is_ruler(message)) {
		if (reader->until_ruler)
			reader->inside = reader->until_ruler = false;
		reader->after_ruler = message[0] == '=';
		return;
	}
	if (kernel_log_starts_report(message)) {
		if (!reader->found)
			snprintf(reader->title, reader->title_size, "%s", message);
		reader->found = reader->inside = true;
		reader->until_ruler = reader->after_ruler && is_ruled(message);
	}
	reader->after_ruler = false;
	if (!reader->inside)
		return;
	append(reader, message);
	if (ends_report(message) && !reader->until_ruler)
		reader->inside = false;
}

/* -- the kernel's own log -- */

struct kernel_log *kernel_log_open(const char **reason)
{
	struct kernel_log *log = calloc(1, sizeof(*log));

	if (!log) {
		*reason = "out of memory";
		return NULL;
	}
	log->fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log->fd >= 0 && lseek(log->fd, 0, SEEK_END) >= 0) {
		int high = target_live_keep(log->fd);

		log->fd = high >= 0 ? high : log->fd;
		return log;
	}
	*reason = errno == EPERM || errno == EACCES ? "/dev/kmsg may be read by root only"
						    : "/dev/kmsg cannot be read";
	if (log->fd >= 0)
		close(log->fd);
	free(log);
	return NULL;
}

void kernel_log_close(struct kernel_log *log)
{
	if (!log)
		return;
	close(log->fd);
	free(log);
}

void kernel_log_provoke(struct kernel_log *log)
{
	static const char *const lines[] = {
		"<4>------------[ cut here ]------------",
		"<4>WARNING: CPU: 0 PID: 1 at made/up.c:1 provoked_by_iommuzz+0x0/0x10",
		"<4>Call Trace:",
		"<4> <TASK>",
		"<4> </TASK>",
		"<4>---[ end trace 0000000000000000 ]---",
	};
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	log->takes_all = true;
	for (size_t i = 0; fd >= 0 && i < sizeof(lines) / sizeof(lines[0]); i++)
		if (write(fd, lines[i], strlen(lines[i])) < 0)
			break;
	if (fd >= 0)
		close(fd);
}

/* "6,123,456,-;text\n KEY=value\n" */
static void take_record(struct kernel_log_reader *reader, char *record, bool takes_all)
{
	char *text = strchr(record, ';'), *end;

	if (!text)
		return;
	text++;
	end = strchr(text, '\n');
	if (end)
		*end = 0;
	/* Facility 0 is the kernel; what processes write has another. */
	if (takes_all || strtoul(record, NULL, 10) >> 3 == 0)
		kernel_log_reader_line(reader, text);
}

bool kernel_log_report(
	struct kernel_log *log, char *title, size_t title_size, char *text, size_t size)
{
	struct kernel_log_reader reader;
	char record[RECORD_MAX];

	kernel_log_reader_begin(&reader, title, title_size, text, size);
	for (;;) {
		ssize_t got = read(log->fd, record, sizeof(record) - 1);

		/* EPIPE: records were lost to newer ones; those follow. */
		if (got < 0 && (errno == EPIPE || errno == EINTR))
			continue;
		if (got <= 0)
			break;
		record[got] = 0;
		take_record(&reader, record, log->takes_all);
	}
	log->takes_all = false;
	return reader.found;
}
