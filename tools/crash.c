/* SPDX-License-Identifier: Apache-2.0 */
/* Names the kind of a crash by the status of its process and what it wrote. */
#include "tools/crash.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

static bool named_by(char *line, char *name, size_t size)
{
	char *error = strstr(line, "ERROR: "), *undefined = strstr(line, "runtime error: ");

	line[strcspn(line, "\n")] = '\0';
	if (undefined) {
		/* Up to the first value, which differs between candidates. */
		undefined[strcspn(undefined, "0123456789")] = '\0';
		snprintf(name, size, "%s", undefined);
		return true;
	}
	if (!error || !strstr(error, "Sanitizer: "))
		return false;
	char *end = strstr(error, "Sanitizer: ") + strlen("Sanitizer: ");
	end[strcspn(end, " ")] = '\0';
	snprintf(name, size, "%s", error + strlen("ERROR: "));
	return true;
}

void crash_name(FILE *report, int status, char *name, size_t size)
{
	char line[512];

	snprintf(name, size, "%s",
		WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "the process ended");
	if (!report)
		return;
	rewind(report);
	while (fgets(line, sizeof(line), report))
		if (named_by(line, name, size))
			return;
}

/* Ends the line in front of the first address. */
static char *cut_address(char *line)
{
	static const char *const before[] = {
		" on address 0x", " on unknown address", " at 0x", " (pc 0x", " 0x"};

	line[strcspn(line, "\n")] = '\0';
	for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++) {
		char *at = strstr(line, before[i]);

		if (at)
			*at = '\0';
	}
	return line;
}

void crash_message(FILE *report, int status, char *text, size_t size)
{
	char line[512], *said = NULL;

	snprintf(text, size, "the process that ran the program ended%s",
		WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM ? " (it hung)" : "");
	rewind(report);
	while (!said && fgets(line, sizeof(line), report)) {
		said = strstr(line, "ERROR: ");
		if (!said && strstr(line, "runtime error: "))
			said = line;
	}
	if (!said)
		return;
	snprintf(text, size, "%s", cut_address(said));
	/* The second line: "READ of size 8 at 0x...". */
	if (fgets(line, sizeof(line), report) &&
		(strncmp(line, "READ ", 5) == 0 || strncmp(line, "WRITE ", 6) == 0))
		snprintf(text + strlen(text), size - strlen(text), ", %s", cut_address(line));
}

void crash_copy(FILE *report)
{
	char bytes[4096];

	rewind(report);
	for (size_t count; (count = fread(bytes, 1, sizeof(bytes), report)) > 0;)
		fwrite(bytes, 1, count, stderr);
}
