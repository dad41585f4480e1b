/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What stands for instructions that nobody interrupts. Only builds with IOMMUZZ_EVERY_ACCESS need
 * to know: there every access is a scheduling point but for those in between.
 */
#ifndef IOMMUZZ_SIM_UNINTERRUPTED_H
#define IOMMUZZ_SIM_UNINTERRUPTED_H

#ifdef IOMMUZZ_EVERY_ACCESS
/* Whoever links such a build has them (fuzz/schedule/every_access.c). They nest. what: stands for
 * everything that the same exclusion guards. */
void uninterrupted_begin(const void *what);
void uninterrupted_end(void);
#else
static inline void uninterrupted_begin(const void *what)
{
	(void)what;
}
static inline void uninterrupted_end(void)
{
}
#endif

#endif
