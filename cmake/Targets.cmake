# SPDX-License-Identifier: Apache-2.0
# A folder without sources yields a target that can be linked all the same, so that every part of the tree
# can be built while another one is still empty. All globs are checked at each build.

# iommuzz_library(NAME PATTERN...): a static library of all sources that match the patterns.
function(iommuzz_library name)
	file(GLOB sources CONFIGURE_DEPENDS ${ARGN})
	if(sources)
		add_library(${name} STATIC ${sources})
		target_link_libraries(${name} PRIVATE iommuzz_warnings iommuzz_third_party Threads::Threads)
	else()
		add_library(${name} INTERFACE)
	endif()
endfunction()

# iommuzz_link(TARGET LIBRARY...): our own libraries as one group, since exec and oracle use each other.
function(iommuzz_link target)
	set(libraries)
	foreach(library IN LISTS ARGN)
		get_target_property(type ${library} TYPE)
		if(type STREQUAL STATIC_LIBRARY)
			list(APPEND libraries ${library})
		endif()
	endforeach()
	target_link_libraries(${target} PRIVATE iommuzz_warnings)
	if(libraries)
		list(JOIN libraries "," group)
		target_link_libraries(${target} PRIVATE "$<LINK_GROUP:RESCAN,${group}>")
	endif()
	target_link_libraries(${target} PRIVATE iommuzz_third_party Threads::Threads m)
endfunction()

set(IOMMUZZ_PROGRAM_LIBRARIES iommuzz_oracle iommuzz_exec iommuzz_schedule iommuzz_prog iommuzz_impl iommuzz_abi)
