#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every requirement in scope is shown by a program, every program names requirements that exist, one that expects a
# failure has a passing twin; what is left for later names the area of work that it belongs to.
cd "$(dirname "$0")/../.." || exit 2
echo 1..4
if output=$(build/release/iommuzz check --requirements); then
	echo "ok 1 - requirements"
else
	echo "not ok 1 - requirements"
	echo "$output" | sed 's/^/# /' >&2
fi
strangers=$(awk -F '\t' '
	/^# area / { name = $0; sub(/^# area /, "", name); sub(/:.*/, "", name); areas[name] = 1; next }
	$2 == "later" { name = $3; sub(/:.*/, "", name); if (!(name in areas)) print }' conformance/requirements)
if [ -z "$strangers" ]; then
	echo "ok 2 - areas of later requirements"
else
	echo "not ok 2 - areas of later requirements"
	echo "$strangers" | sed 's/^/# /' >&2
fi
# Control: a program that lacks its twin is seen.
scratch=$(mktemp -d) && trap 'rm -rf "$scratch"' EXIT
root=$PWD
cp -r conformance "$scratch"
cd "$scratch" || exit 2
cat >conformance/map/alone.prog <<'EOF'
#: id alone  req 4.6/2
fd = open /dev/iommu
IOMMU_IOAS_MAP fd length=U64_MAX -> EOVERFLOW
EOF
if "$root/build/release/iommuzz" check --requirements >output; then
	echo "not ok 3 - a program without a twin is seen"
else
	grep -q '^alone .*NO TWIN' output && echo "ok 3 - a program without a twin is seen" ||
		echo "not ok 3 - a program without a twin is seen"
fi
# Control: so is a correction that no program shows.
rm conformance/map/alone.prog
printf '4.6/2\tcorrection\tmap-order-nowhere: as Linux answers\n' >>conformance/requirements
if "$root/build/release/iommuzz" check --requirements >output; then
	echo "not ok 4 - a correction without a program is seen"
else
	grep -q '^4.6/2 .*STALE: no program map-order-nowhere' output && echo "ok 4 - a correction without a program is seen" ||
		echo "not ok 4 - a correction without a program is seen"
fi
