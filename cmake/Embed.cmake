# SPDX-License-Identifier: Apache-2.0
# iommuzz_embed(OUTPUT): a C source that holds the suites' files as they are (tools/embedded.h). Files are taken in
# by the assembler, so their number and size cost the compiler nothing.
function(iommuzz_embed output)
	file(GLOB_RECURSE files CONFIGURE_DEPENDS LIST_DIRECTORIES false RELATIVE ${CMAKE_SOURCE_DIR}
		${CMAKE_SOURCE_DIR}/conformance/* ${CMAKE_SOURCE_DIR}/corpus/regress/*.prog)
	list(FILTER files EXCLUDE REGEX "[.](c|h|md|txt)$|(^|/)[.]")
	list(SORT files COMPARE STRING)
	set(data)
	set(declarations)
	set(rows)
	set(sources)
	set(number 0)
	foreach(file IN LISTS files)
		string(APPEND data "FILE(file_${number}, \"${CMAKE_SOURCE_DIR}/${file}\")\n")
		string(APPEND rows "\t{\"${file}\", file_${number}, file_${number}_end},\n")
		list(APPEND sources ${CMAKE_SOURCE_DIR}/${file})
		math(EXPR number "${number} + 1")
	endforeach()
	file(CONFIGURE OUTPUT ${output} @ONLY CONTENT [[
/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/embedded.h"

#define FILE(name, path)                                                                           \
	extern const uint8_t name[], name##_end[];                                                 \
	__asm__(".pushsection .rodata\n" #name ":\n.incbin \"" path "\"\n" #name "_end:\n"         \
		".byte 0\n.popsection\n");

@data@
const struct embedded_file embedded_files[] = {
@rows@};
const size_t embedded_count = sizeof(embedded_files) / sizeof(embedded_files[0]);
]])
	# Symbols of assembler text are unknown to an optimiser that works across files.
	set_source_files_properties(${output} PROPERTIES OBJECT_DEPENDS "${sources}" COMPILE_OPTIONS -fno-lto)
endfunction()
