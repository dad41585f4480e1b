/* SPDX-License-Identifier: Apache-2.0 */
/* Names the kind of a crash by the status of its process and what it wrote. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tools/hunt.h"

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
