# SPDX-License-Identifier: Apache-2.0
# Flags of every object, and `iommuzz_warnings`, those of our own sources only.

# The same source gives the same binary in every checkout.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=)

# The mutator is a shared object: what it is linked from must be position independent, and is as fast with
# hidden symbols as without that.
set(CMAKE_C_VISIBILITY_PRESET hidden)

add_library(iommuzz_warnings INTERFACE)
target_compile_options(iommuzz_warnings INTERFACE -Wall -Wextra -Wconversion -Werror)
target_include_directories(iommuzz_warnings INTERFACE ${CMAKE_SOURCE_DIR})

if(IOMMUZZ_SANITIZE)
	add_compile_options(-fsanitize=${IOMMUZZ_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
	add_link_options(-fsanitize=${IOMMUZZ_SANITIZE})
	if(IOMMUZZ_SANITIZE MATCHES memory)
		add_compile_options(-fsanitize-memory-track-origins)
	endif()
endif()

if(IOMMUZZ_ENGINE STREQUAL libfuzzer)
	add_compile_options(-fsanitize=fuzzer-no-link)
	add_link_options(-fsanitize=fuzzer-no-link)
elseif(NOT IOMMUZZ_ENGINE MATCHES "^(none|afl)$")
	message(FATAL_ERROR "IOMMUZZ_ENGINE: none, libfuzzer or afl, not ${IOMMUZZ_ENGINE}")
endif()

if(IOMMUZZ_COVERAGE)
	add_compile_options(-fprofile-instr-generate -fcoverage-mapping)
	add_link_options(-fprofile-instr-generate)
endif()

if(IOMMUZZ_BUGS)
	add_compile_definitions(IOMMUZZ_BUGS=1)
endif()

if(IOMMUZZ_LTO)
	# Fat objects: only the command is optimised across files, all else links as fast as ever.
	add_compile_options(-O3 -flto=auto -ffat-lto-objects)
	# Not beside -flto=auto: gcc takes no notice of that once it has seen -fno-lto.
	add_link_options($<IF:$<STREQUAL:$<TARGET_PROPERTY:NAME>,iommuzz>,-flto=auto,-fno-lto>)
	# The generic tuning copies and clears small structs with string instructions, which start slowly.
	include(CheckCCompilerFlag)
	check_c_compiler_flag(-mtune=znver3 IOMMUZZ_HAS_TUNING)
	if(IOMMUZZ_HAS_TUNING)
		add_compile_options(-mtune=znver3)
	endif()
endif()
