/* SPDX-License-Identifier: Apache-2.0 */
/* Files around a VM: its initramfs, its console, what the machine is known to do. */
#ifndef IOMMUZZ_TOOLS_VM_FILES_H
#define IOMMUZZ_TOOLS_VM_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* Writes an initramfs with this binary as /init and a console node. False with one line in reason.
 */
bool vm_write_initramfs(const char *path, const char *binary, char *reason, size_t size);

/* The static binary that becomes init: the one named, else this one, else the iommuzz_static beside
 * it. False with one line in reason. */
bool vm_find_binary(const char *named, char *path, size_t path_size, char *reason, size_t size);
/* The bzImage that a folder holds or that is named itself. False with one line in reason. */
bool vm_find_kernel(const char *named, char *path, size_t path_size, char *reason, size_t size);

/* The last whole lines of a file that fit; empty if there are none. */
void vm_last_lines(const char *path, char *text, size_t size);

/* Whether a trial boot with KVM worked since this machine was started: kept in the cache folder. */
enum vm_kvm { VM_KVM_UNKNOWN, VM_KVM_WORKS, VM_KVM_FAILS };
enum vm_kvm vm_kvm_known(void);
void vm_kvm_remember(enum vm_kvm kvm);

#endif
