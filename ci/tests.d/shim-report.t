#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# `iommuzz shim --report`: each kind of thing that tests/shim/shim_left.c leaves behind or does wrong is told once, with
# the function that did it; what is no longer there is not told.
cd "$(dirname "$0")/../.." || exit 2
# shellcheck source=tests/tap.sh
. tests/tap.sh
build=${IOMMUZZ_BUILD:-build/release}
report() { timeout 60 "$build/iommuzz" shim --report -- "$build/tests/shim/shim_left" "$1" >"$work/out" 2>"$work/err"; }
told() { # FUNCTION TEXT: exactly one line begins so, and the backtrace below has the function
	awk -v text="  $2" -v frame="    $1" '
		/^  [^ ]/ { if (frames) wanted = 0; frames = 0; if (index($0, text) == 1) { lines++; wanted = 1 } }
		/^    / { frames = 1; if (wanted && index($0, frame) == 1 && index("+.", substr($0, length(frame) + 1, 1))) found = 1 }
		END { exit !(lines == 1 && found) }' "$work/err"
}
all() { # of FUNCTION TEXT on standard input
	while read -r function text; do
		told "$function" "$text" || { echo "# not told once, or not of $function: $text" >&2 && return 1; }
	done
}
count() { grep -qx "$1: $2" "$work/err"; }

report everything && all <<'END'
leave_ioas IOAS 1
leave_device SELFTEST 2
leave_device DEVICE 3
leave_device HWPT_PAGING 4, which goes with its last device
leave_parent HWPT_PAGING 6
leave_nested HWPT_NESTED 7
leave_fault FAULT 8
leave_viommu VIOMMU 9
leave_vdevice VDEVICE 10
leave_veventq VEVENTQ 11
leave_queue HW_QUEUE 12
END
ok $? 'objects of each kind'
count 'objects left' 11
ok $? 'and no others'
all <<'END' && count 'mappings left' 4
leave_map mapping of 0x2000 bytes at IOVA 0x1000000 of IOAS 1
leave_map_file mapping of 0x1000 bytes at IOVA 0x2000000 of IOAS 1
leave_copy mapping of 0x1000 bytes at IOVA 0x3000000 of IOAS 1
leave_vfio mapping of 0x1000 bytes at IOVA 0x4000000 of IOAS 1
END
ok $? 'mappings of each call that makes them'
all <<'END' && count 'pins left' 2
leave_pins pins of 0x2000 bytes at IOVA 0x1000000, access_item 0
leave_queue pins of 0x1000 bytes at IOVA 0x1000000, HW_QUEUE 12
END
ok $? 'pins of an access and of a hardware queue'
all <<'END' && count 'descriptors left' 3
leave_iommufd descriptor 3 (iommufd), which process
leave_access descriptor 4 (access_fd), which process
leave_veventq descriptor 5 (veventq_fd), which process
END
ok $? 'descriptors that nobody has closed'

report nothing-new && count 'objects left' 5 && all <<'END'
leave_ioas IOAS 1
leave_device SELFTEST 2
leave_device DEVICE 3
leave_parent HWPT_PAGING 5
leave_nested HWPT_NESTED 6
END
ok $? 'a replacement makes nothing, an automatic page table goes with its last device, nested ones are named so'

report misuses && count 'bad sequences' 8 && all <<'END'
misuse_destroyed IOMMU_IOAS_MAP names IOAS 2, which was destroyed
misuse_automatic IOMMU_HWPT_ALLOC names DEVICE 3, which was destroyed
misuse_kind IOMMU_IOAS_MAP names HWPT_PAGING 4 as IOAS
misuse_number IOMMU_IOAS_MAP names object 4711, which was never made
misuse_busy IOAS 1 is destroyed while something uses it
misuse_twice IOMMU_IOAS_MAP: something is mapped there
misuse_unmapped IOVA 0x5000000 of IOAS 1 is unmapped, but nothing is mapped so
misuse_memory memory at 0x
END
ok $? 'sequences that make no sense'

report closes && count 'objects left' 5 && count 'descriptors left' 1
ok $? 'close, dup2, dup3 and close_range are closes'
report tidy && [ "$(grep -c ': 0$' "$work/err")" -eq 5 ] && [ "$(wc -l <"$work/err")" -eq 6 ]
ok $? 'control: a program that undoes everything leaves nothing'
timeout 60 "$build/iommuzz" shim --report --fail-nth 1 -- "$build/tests/shim/shim_left" misuses >"$work/out" 2>"$work/err"
count 'bad sequences' 0
ok $? 'a failure that was injected is no misuse'
echo "1..$number"
exit "$failures"
