/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Standalone main of a fuzz target: runs it once on every file named, and on every file below every
 * folder named, in the order of their names. Needs no engine, so that any compiler and sanitizer
 * can build it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define EXIT_BROKEN 2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

struct replay {
	bool verbose;
	bool broken; /* something could not be read */
	unsigned long inputs;
};

static void complain(struct replay *replay, const char *path, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, path, what);
	replay->broken = true;
}

/* The whole file in a block of exactly its size, so that ASan sees reads past the input. NULL on
 * error. */
static uint8_t *read_file(struct replay *replay, const char *path, size_t *size)
{
	FILE *file = fopen(path, "rb");
	if (!file) {
		complain(replay, path, strerror(errno));
		return NULL;
	}
	uint8_t *data = NULL;
	size_t used = 0, room = 0;
	for (;;) {
		if (used == room) {
			room = room ? room * 2 : 4096;
			uint8_t *larger = realloc(data, room);
			if (!larger)
				break;
			data = larger;
		}
		size_t got = fread(data + used, 1, room - used, file);
		if (!got)
			break;
		used += got;
	}
	bool complete = feof(file) && !ferror(file);
	fclose(file);
	uint8_t *exact = complete ? malloc(used ? used : 1) : NULL;
	if (exact)
		memcpy(exact, data, used);
	else
		complain(replay, path, "cannot be read");
	free(data);
	*size = used;
	return exact;
}

static void replay_file(struct replay *replay, const char *path)
{
	size_t size;
	uint8_t *data = read_file(replay, path, &size);
	if (!data)
		return;
	/* Named before it runs: the last name printed is the input that crashed. */
	if (replay->verbose)
		fprintf(stderr, "%s: %zu bytes\n", path, size);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
	replay->inputs++;
}

static void replay_path(struct replay *replay, const char *path);

static int not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static void replay_folder(struct replay *replay, const char *folder)
{
	struct dirent **entries;
	int count = scandir(folder, &entries, not_hidden, alphasort);
	if (count < 0) {
		complain(replay, folder, strerror(errno));
		return;
	}
	for (int i = 0; i < count; i++) {
		char *path;
		if (asprintf(&path, "%s/%s", folder, entries[i]->d_name) < 0)
			abort();
		replay_path(replay, path);
		free(path);
		free(entries[i]);
	}
	free(entries);
}

static void replay_path(struct replay *replay, const char *path)
{
	struct stat status;
	if (stat(path, &status))
		complain(replay, path, strerror(errno));
	else if (S_ISDIR(status.st_mode))
		replay_folder(replay, path);
	else
		replay_file(replay, path);
}

static int usage(FILE *to, int code)
{
	fprintf(to,
		"usage: %s [--quiet] FILE-OR-FOLDER...\n"
		"Runs the fuzz target once on each file. Exit: 0 all ran, 2 a file could not be "
		"read;\n"
		"a defect ends the process as the sanitizer or the oracle does.\n",
		program_invocation_short_name);
	return code;
}

int main(int argc, char **argv)
{
	struct replay replay = {.verbose = true};
	int first = 1;
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	if (argc > 1 && !strcmp(argv[1], "--help"))
		return usage(stdout, 0);
	if (argc > 1 && !strcmp(argv[1], "--quiet")) {
		replay.verbose = false;
		first++;
	}
	if (argc <= first || argv[first][0] == '-')
		return usage(stderr, EXIT_BROKEN);
	for (int i = first; i < argc; i++)
		replay_path(&replay, argv[i]);
	printf("%lu inputs\n", replay.inputs);
	return replay.broken ? EXIT_BROKEN : 0;
}
