#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# --device with something that is no address is wrong usage, whether or not there is a /dev/iommu.
cd "$(dirname "$0")/../.." || exit 2
iommuzz=${IOMMUZZ:-build/release/iommuzz}
echo 'TAP version 13'
[ -x "$iommuzz" ] || { echo "1..0 # SKIP no $iommuzz" && exit 0; }
number=0 failures=0
for command in check run; do
	number=$((number + 1))
	said=$("$iommuzz" "$command" --target live --device foo tests/exec/golden/suite/passes.prog 2>&1)
	status=$?
	verdict='ok'
	if [ "$status" -ne 2 ] || [ "${said#*"--device: 'foo' is no PCI address, expected one as 0000:00:02.0"}" = "$said" ]; then
		verdict='not ok'
		failures=$((failures + 1))
	fi
	echo "$verdict $number - $command --device foo"
done
echo "1..$number"
[ "$failures" -eq 0 ]
