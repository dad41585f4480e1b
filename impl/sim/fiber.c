/* SPDX-License-Identifier: Apache-2.0 */
#include "impl/sim/fiber.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif
#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif
/* IOMMUZZ_FIBER_UCONTEXT: as on machines without a switch of our own, for tests. */
#if defined(IOMMUZZ_FIBER_UCONTEXT) || (!defined(__x86_64__) && !defined(__aarch64__))
#include <ucontext.h>
#define FIBER_UCONTEXT 1
#endif

#define STACK_SIZE ((size_t)256 << 10)

struct fiber {
	void *stack_pointer; /* while it does not run */
	uint8_t *stack;	     /* NULL: the OS thread's own */
	size_t guard;	     /* bytes below the stack that fault */
	struct fiber *(*entry)(void *);
	bool parked; /* entry has returned */
	void *argument;
	const void *bottom; /* for AddressSanitizer */
	size_t size;
	void *fake_stack;
	struct fiber *came_from;
	void *tsan;
#ifdef FIBER_UCONTEXT
	ucontext_t context;
#endif
};

/* -- the switch -- */

#ifdef FIBER_UCONTEXT
#elif defined(__x86_64__)
/* Saves what a call preserves on the old stack, takes it from the new one. */
void iommuzz_fiber_switch(void **save, void *load);
__asm__(".text\n"
	".globl iommuzz_fiber_switch\n"
	".hidden iommuzz_fiber_switch\n"
	".type iommuzz_fiber_switch, @function\n"
	"iommuzz_fiber_switch:\n"
	"	.cfi_startproc\n"
	"	endbr64\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size iommuzz_fiber_switch, .-iommuzz_fiber_switch\n");
#define SAVED_WORDS 7 /* r15 r14 r13 r12 rbx rbp, and the address to return to */
#define RETURN_WORD 6
#elif defined(__aarch64__)
void iommuzz_fiber_switch(void **save, void *load);
__asm__(".text\n"
	".globl iommuzz_fiber_switch\n"
	".hidden iommuzz_fiber_switch\n"
	".type iommuzz_fiber_switch, %function\n"
	"iommuzz_fiber_switch:\n"
	"	.cfi_startproc\n"
	"	hint #34\n"
	"	sub sp, sp, #160\n"
	"	stp x19, x20, [sp, #0]\n"
	"	stp x21, x22, [sp, #16]\n"
	"	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n"
	"	stp x27, x28, [sp, #64]\n"
	"	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n"
	"	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	mov x9, sp\n"
	"	str x9, [x0]\n"
	"	mov sp, x1\n"
	"	ldp x19, x20, [sp, #0]\n"
	"	ldp x21, x22, [sp, #16]\n"
	"	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n"
	"	ldp x29, x30, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n"
	"	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #160\n"
	"	ret\n"
	"	.cfi_endproc\n"
	".size iommuzz_fiber_switch, .-iommuzz_fiber_switch\n");
#define SAVED_WORDS 20
#define RETURN_WORD 11 /* x30 */
#endif

/* -- sanitizers -- */

static void announce_leave(struct fiber *from, struct fiber *to)
{
#ifdef FIBER_ASAN
	__sanitizer_start_switch_fiber(&from->fake_stack, to->bottom, to->size);
#endif
#ifdef FIBER_TSAN
	(void)from;
	__tsan_switch_to_fiber(to->tsan, 0);
#endif
	to->came_from = from;
}

static void announce_arrival(struct fiber *fiber)
{
#ifdef FIBER_ASAN
	const void *bottom;
	size_t size;

	__sanitizer_finish_switch_fiber(fiber->fake_stack, &bottom, &size);
	/* Where the OS thread's own stack lies is learned when it is left for the first time. */
	if (fiber->came_from && !fiber->came_from->stack) {
		fiber->came_from->bottom = bottom;
		fiber->came_from->size = size;
	}
#else
	(void)fiber;
#endif
}

/* -- life -- */

struct fiber *fiber_adopt(void)
{
	struct fiber *fiber = calloc(1, sizeof(*fiber));

#ifdef FIBER_TSAN
	if (fiber)
		fiber->tsan = __tsan_get_current_fiber();
#endif
	return fiber;
}

struct fiber *fiber_create(void)
{
	struct fiber *fiber = calloc(1, sizeof(*fiber));
	long page = sysconf(_SC_PAGESIZE);

	if (!fiber)
		return NULL;
	fiber->guard = (size_t)page;
	fiber->stack = mmap(NULL, STACK_SIZE + fiber->guard, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
	if (fiber->stack == MAP_FAILED || mprotect(fiber->stack, fiber->guard, PROT_NONE)) {
		if (fiber->stack != MAP_FAILED)
			munmap(fiber->stack, STACK_SIZE + fiber->guard);
		free(fiber);
		return NULL;
	}
	fiber->bottom = fiber->stack + fiber->guard;
	fiber->size = STACK_SIZE;
#ifdef FIBER_TSAN
	fiber->tsan = __tsan_create_fiber(0);
#endif
	return fiber;
}

void fiber_free(struct fiber *fiber)
{
	if (!fiber)
		return;
	if (fiber->stack) {
#ifdef FIBER_TSAN
		__tsan_destroy_fiber(fiber->tsan);
#endif
#ifdef FIBER_ASAN
		__asan_unpoison_memory_region(fiber->bottom, fiber->size);
#endif
		munmap(fiber->stack, STACK_SIZE + fiber->guard);
	}
	free(fiber);
}

static void run_entry(struct fiber *fiber)
{
	announce_arrival(fiber);
#ifdef FIBER_ASAN
	/* Its fake stack is kept over runs; frames that were abandoned there are given up. */
	__asan_handle_no_return();
#endif
	for (;;) {
		struct fiber *next = fiber->entry(fiber->argument);

		fiber->parked = true;
		fiber_switch(fiber, next);
	}
}

#ifdef FIBER_UCONTEXT
static void enter(unsigned high, unsigned low)
{
	run_entry((struct fiber *)((uintptr_t)high << 16 << 16 | low));
}

static void lay_out(struct fiber *fiber)
{
	uintptr_t self = (uintptr_t)fiber;

	getcontext(&fiber->context);
	fiber->context.uc_stack.ss_sp = fiber->stack + fiber->guard;
	fiber->context.uc_stack.ss_size = STACK_SIZE;
	fiber->context.uc_link = NULL;
	makecontext(&fiber->context, (void (*)(void))enter, 2, (unsigned)(self >> 16 >> 16),
		(unsigned)self);
}
#else
/* The first switch to a fiber returns into this; the fiber that it left knows where it went. */
void iommuzz_fiber_entry(void);
#if defined(__x86_64__)
/* rbx holds the function, r12 its argument. The stack is as before a call. */
__asm__(".text\n"
	".globl iommuzz_fiber_entry\n"
	".hidden iommuzz_fiber_entry\n"
	"iommuzz_fiber_entry:\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined rip\n"
	"	endbr64\n"
	"	movq %r12, %rdi\n"
	"	callq *%rbx\n"
	"	ud2\n"
	"	.cfi_endproc\n");
#else
/* x20 holds the function, x19 its argument. */
__asm__(".text\n"
	".globl iommuzz_fiber_entry\n"
	".hidden iommuzz_fiber_entry\n"
	"iommuzz_fiber_entry:\n"
	"	.cfi_startproc\n"
	"	.cfi_undefined x30\n"
	"	hint #34\n"
	"	mov x0, x19\n"
	"	blr x20\n"
	"	brk #1\n"
	"	.cfi_endproc\n");
#endif

static void lay_out(struct fiber *fiber)
{
	/* Aligned to 16 bytes behind the first return; what lies above reads as zeros. */
	uintptr_t top = (((uintptr_t)fiber->bottom + fiber->size) & ~(uintptr_t)15) - 16;
	uintptr_t *words = (uintptr_t *)top - SAVED_WORDS;

	for (unsigned w = 0; w < SAVED_WORDS; w++)
		words[w] = 0;
	words[RETURN_WORD] = (uintptr_t)iommuzz_fiber_entry;
#if defined(__x86_64__)
	words[3] = (uintptr_t)fiber;	 /* r12 */
	words[4] = (uintptr_t)run_entry; /* rbx */
#else
	words[0] = (uintptr_t)fiber;	 /* x19 */
	words[1] = (uintptr_t)run_entry; /* x20 */
#endif
	fiber->stack_pointer = words;
}
#endif

void fiber_start(struct fiber *fiber, struct fiber *(*entry)(void *), void *argument)
{
	fiber->entry = entry;
	fiber->argument = argument;
	if (fiber->parked) {
		fiber->parked = false;
		return;
	}
#ifdef FIBER_ASAN
	__asan_unpoison_memory_region(fiber->bottom, fiber->size);
#endif
#ifdef FIBER_TSAN
	/* Its shadow of the stack is not empty. */
	__tsan_destroy_fiber(fiber->tsan);
	fiber->tsan = __tsan_create_fiber(0);
#endif
	lay_out(fiber);
}

void fiber_switch(struct fiber *from, struct fiber *to)
{
	announce_leave(from, to);
#ifdef FIBER_UCONTEXT
	swapcontext(&from->context, &to->context);
#else
	iommuzz_fiber_switch(&from->stack_pointer, to->stack_pointer);
#endif
	announce_arrival(from);
}
