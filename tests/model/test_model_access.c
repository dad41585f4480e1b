/* SPDX-License-Identifier: Apache-2.0 */
/* The reference model's access objects: rows S001 of the requirements and the callbacks of UNMAP.
 */
#include "tests/model/machine.h"
#include "tests/tap.h"

#define MEM  PROG_MEM_BASE
#define IOVA UINT64_C(0x10000)

/* Two IOASes, 1 and 2, each with two pages at IOVA; an access attached to the first. */
static uint64_t start(struct machine *machine, uint32_t flags)
{
	uint64_t access;

	machine_start(machine, 0, 0);
	machine_ioas(machine);
	machine_ioas(machine);
	machine_map(machine, 1, IOVA, MEM, 2 * MACHINE_PAGE);
	machine_map(machine, 2, IOVA, MEM + 4 * MACHINE_PAGE, 2 * MACHINE_PAGE);
	access = machine_access(machine, flags);
	machine_attach(machine, CALL_ID_access_attach, access, 1);
	return access;
}

static int64_t replace(struct machine *machine, uint64_t access, uint32_t ioas)
{
	return machine_attach(machine, CALL_ID_access_replace, access, ioas);
}

static int64_t pin(struct machine *machine, uint64_t access, uint64_t length)
{
	return machine_pin(machine, CALL_ID_access_pin, access, IOVA, length);
}

static void test_states(void)
{
	struct machine machine;
	uint64_t access = start(&machine, CALL_ACCESS_NEEDS_PIN);
	uint64_t other = machine_access(&machine, 0);

	tap_ok(replace(&machine, other, 1) == -ENOENT, "S001-2 replace needs an attached access");
	pin(&machine, access, MACHINE_PAGE);
	tap_ok(replace(&machine, access, 1) == 0 && !machine.callbacks &&
			machine_pins_are(&machine, MEM, 4096, 1),
		"S001-3 replace with the current IOAS");
	tap_ok(machine_attach(&machine, CALL_ID_access_attach, access, 2) == -EINVAL,
		"S001-4 attach twice");
	tap_ok(replace(&machine, access, 99) == -ENOENT && !machine.callbacks &&
			machine_pins_are(&machine, MEM, 4096, 1),
		"S001-5 the target is looked up first");
	machine_call(&machine, CALL_ID_access_detach, access, NULL);
	tap_ok(machine.callbacks == 1 && pin(&machine, access, 4096) == -ENOENT, "S001-15 detach");
	tap_ok(!machine_call(&machine, CALL_ID_access_detach, access, NULL) &&
			machine.callbacks == 1,
		"S001-15 detach again");
	machine_end(&machine);
}

static int64_t seen[4];

static bool change_in_callback(
	struct machine *machine, uint64_t handle, uint64_t iova, uint64_t length)
{
	(void)iova;
	(void)length;
	seen[0] = pin(machine, handle, MACHINE_PAGE);
	seen[1] = replace(machine, handle, 1);
	seen[2] = machine_attach(machine, CALL_ID_access_attach, handle, 1);
	machine_pin(machine, CALL_ID_access_unpin, handle, IOVA, MACHINE_PAGE);
	seen[3] = machine_pins_are(machine, MEM, MACHINE_PAGE, 0);
	return true;
}

static void test_change(void)
{
	struct machine machine;
	uint64_t access = start(&machine, CALL_ACCESS_NEEDS_PIN);

	pin(&machine, access, MACHINE_PAGE);
	machine.on_unmap = change_in_callback;
	tap_ok(replace(&machine, access, 2) == 0 && machine.callbacks == 1, "S001-8 one callback");
	tap_ok(machine.callback_iova == 0 && machine.callback_length == UINT64_MAX,
		"S001-8 over everything");
	tap_ok(seen[0] == -ENOENT && seen[3], "S001-6 no pins meanwhile, unpins work");
	tap_ok(seen[1] == -ENOENT && seen[2] == -EBUSY, "S001-7 no other change meanwhile");
	machine.on_unmap = NULL;
	tap_ok(!machine_unmap(&machine, 1, IOVA, 2 * MACHINE_PAGE) && !machine_destroy(&machine, 1),
		"S001-11, 12 the old IOAS is free");
	tap_ok(!pin(&machine, access, MACHINE_PAGE) &&
			machine_pins_are(&machine, MEM + 4 * MACHINE_PAGE, 4096, 1),
		"S001-12 pins on the new one");
	tap_ok(machine_destroy(&machine, 2) == -EBUSY, "S001-11 the new IOAS is in use");
	machine_end(&machine);
}

static void test_failure(void)
{
	struct machine machine;
	uint64_t access = start(&machine, CALL_ACCESS_NEEDS_PIN);

	pin(&machine, access, MACHINE_PAGE);
	machine_map(&machine, 2, 0x20001, MEM, 1);
	tap_ok(replace(&machine, access, 2) == -EADDRINUSE && !machine.callbacks,
		"S001-10 no callback");
	tap_ok(machine_pins_are(&machine, MEM, MACHINE_PAGE, 1) &&
			!pin(&machine, access, 2 * MACHINE_PAGE),
		"S001-10 the old attachment works");
	tap_ok(machine_destroy(&machine, 1) == -EBUSY && !machine_destroy(&machine, 2),
		"S001-11 users after failure");
	machine_end(&machine);
}

static void test_without_unmap(void)
{
	struct machine machine;
	uint64_t access = start(&machine, CALL_ACCESS_NEEDS_PIN | CALL_ACCESS_NO_UNMAP);
	struct call_access_rw rw = {.iova = IOVA, .length = 4, .buffer = MEM + 20 * MACHINE_PAGE};

	machine_put(&machine, MEM, "data", 4);
	tap_ok(pin(&machine, access, MACHINE_PAGE) == -EINVAL, "S001-1 no callback, no pins");
	tap_ok(!machine_call(&machine, CALL_ID_access_rw, access, &rw) &&
			!machine_expect(&machine, MEM + 20 * MACHINE_PAGE, "data", 4),
		"S001-1 rw works");
	tap_ok(!replace(&machine, access, 2) && !machine.callbacks,
		"S001-17 replace without callback");
	machine_end(&machine);
}

static bool keep_pins(struct machine *machine, uint64_t handle, uint64_t iova, uint64_t length)
{
	(void)machine;
	(void)handle;
	(void)iova;
	(void)length;
	return true;
}

static void test_unmap(void)
{
	struct machine machine;
	uint64_t access = start(&machine, CALL_ACCESS_NEEDS_PIN);

	pin(&machine, access, MACHINE_PAGE);
	machine.on_unmap = keep_pins;
	tap_ok(machine_unmap(&machine, 1, IOVA, 2 * MACHINE_PAGE) == -EDEADLK,
		"3.9 pins that stay");
	tap_ok(machine.callbacks == 101 && machine.callback_iova == IOVA &&
			machine.callback_length == 2 * MACHINE_PAGE,
		"3.9 101 rounds with the area's range");
	tap_ok(pin(&machine, access, MACHINE_PAGE) == -EINVAL, "3.9 prevent_access is sticky");
	machine.on_unmap = NULL;
	tap_ok(!machine_unmap(&machine, 1, IOVA, 2 * MACHINE_PAGE) && machine.callbacks == 102,
		"3.9 a good driver");
	tap_ok(machine_pins_are(&machine, MEM, 2 * MACHINE_PAGE, 0), "no pin is left");
	machine_end(&machine);
}

static void test_destroy(void)
{
	struct machine machine;
	uint64_t access = start(&machine, CALL_ACCESS_NEEDS_PIN);

	pin(&machine, access, MACHINE_PAGE);
	tap_ok(!machine_call(&machine, CALL_ID_access_destroy, access, NULL) &&
			machine.callbacks == 1,
		"S001-18 destroy implies detach");
	tap_ok(machine_pins_are(&machine, MEM, MACHINE_PAGE, 0) && !machine_destroy(&machine, 1),
		"S001-18 nothing is left");
	machine_end(&machine);
}

int main(void)
{
	tap_begin();
	test_states();
	test_change();
	test_failure();
	test_without_unmap();
	test_unmap();
	test_destroy();
	return tap_end();
}
