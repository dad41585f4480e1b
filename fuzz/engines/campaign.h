/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzzing campaign: runs the fuzz targets under an engine, some at a time, shows their state and
 * ends with a summary of what was found. `iommuzz fuzz` is this.
 */
#ifndef IOMMUZZ_FUZZ_ENGINES_CAMPAIGN_H
#define IOMMUZZ_FUZZ_ENGINES_CAMPAIGN_H

/*
 * argv[0] is the command's name, the rest its options (--help lists them). Starts the engines as
 * child processes in groups of their own and handles SIGINT and SIGTERM until it returns. Returns
 * the exit code: 0 nothing found, 1 findings, 2 wrong usage or an engine that could not run, 130
 * interrupted with nothing found. Not reentrant.
 */
int campaign_main(int argc, char **argv);

#endif
