/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real PCI devices for programs: only those that the user names. Each is bound to vfio-pci and
 * given back to the driver that it had.
 */
#ifndef IOMMUZZ_FUZZ_EXEC_LIVE_DEVICE_H
#define IOMMUZZ_FUZZ_EXEC_LIVE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>

#define LIVE_DEVICE_MAX 16 /* as many nodes as a program can name */

/*
 * Whether a text is a PCI address ("0000:00:02.0" or "00:02.0", digits in either case); full
 * becomes it as sysfs writes it. Else one line in reason. The machine is not looked at.
 */
bool live_device_address_check(const char *address, char full[16], char *reason, size_t size);
/*
 * Binds the device at a PCI address ("0000:00:02.0" or "00:02.0") to vfio-pci and makes it the next
 * one for programs: `open /dev/vfio/devices/vfioN` is the N-th named device, `open /dev/vfio/N` its
 * group. False with one line in reason; then the device is as it was.
 */
bool live_device_bind(const char *address, char *reason, size_t size);
/*
 * Gives all back to their former drivers and forgets them. False when one could not be; reason says
 * which. What held vfio-pci before keeps it.
 */
bool live_device_release(char *reason, size_t size);
unsigned live_device_count(void);
/* The PCI address of the n-th named device, or NULL. */
const char *live_device_address(unsigned n);
/* The node of the n-th named device ("/dev/vfio/devices/vfio3") and of its group, or NULL: there is
 * none, and no program may open any. */
const char *live_device_cdev(unsigned n);
const char *live_device_group(unsigned n);

/*
 * Tests only: another folder stands for /sys/bus/pci (kept, not copied), and written is called
 * behind each write to a file in it, to do what the kernel would.
 */
void live_device_root(const char *folder, void (*written)(const char *path, const char *text));

#endif
