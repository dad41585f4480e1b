/* SPDX-License-Identifier: Apache-2.0 */
/* Files around a VM: init and kernel, its console, what the machine is known to do. */
#ifndef IOMMUZZ_TOOLS_VM_FILES_H
#define IOMMUZZ_TOOLS_VM_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* An empty file that has no name and is gone with its last descriptor; -1 with one line in reason.
 */
int vm_open_nameless(const char *what, char *reason, size_t size);

/* The static binary that becomes init: the one named, else this one, else the iommuzz_static beside
 * it. False with one line in reason. */
bool vm_find_binary(const char *named, char *path, size_t path_size, char *reason, size_t size);
/* The bzImage that a folder holds or that is named itself, whole as its header says: QEMU boots a
 * truncated one without a word. False with one line in reason. */
bool vm_find_kernel(const char *named, char *path, size_t path_size, char *reason, size_t size);
/* Whether PATH has this program. False with one line in reason. */
bool vm_find_program(const char *name, char *reason, size_t size);

/* The last whole lines of a file that fit; empty if there are none. */
void vm_last_lines(int fd, char *text, size_t size);

/* Whether a trial boot with KVM worked since this machine was started: kept in the cache folder. */
enum vm_kvm { VM_KVM_UNKNOWN, VM_KVM_WORKS, VM_KVM_FAILS };
enum vm_kvm vm_kvm_known(void);
void vm_kvm_remember(enum vm_kvm kvm);

#endif
