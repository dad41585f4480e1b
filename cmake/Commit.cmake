# SPDX-License-Identifier: Apache-2.0
# cmake -D SOURCE=DIR -D OUTPUT=FILE -P Commit.cmake: writes the commit of a checkout as a header, if it changed.
# Run at every build: a binary that names a commit must name its own.
execute_process(COMMAND git describe --always --dirty=+changes --exclude=* --abbrev=12
	WORKING_DIRECTORY ${SOURCE} OUTPUT_VARIABLE commit ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
if(NOT commit)
	set(commit unknown)
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#define IOMMUZZ_COMMIT \"${commit}\"\n")
