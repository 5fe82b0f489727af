# SPDX-License-Identifier: Apache-2.0
# aftertap_bpf(TARGET FILE…): each FILE.bpf.c becomes an object for the kernel
# and a skeleton, "FILE.skel.h", with FILE its struct's prefix.  Nothing of the
# build machine's kernel goes in: types come from the UAPI headers and, for
# CO-RE, from declarations of our own.
find_program(BPF_CLANG NAMES clang clang-19 clang-16 clang-14 REQUIRED)
find_program(BPFTOOL bpftool PATHS /usr/sbin /sbin REQUIRED)

function(aftertap_bpf target)
	set(headers "")
	set(directory "${CMAKE_CURRENT_BINARY_DIR}/skeletons")
	file(MAKE_DIRECTORY "${directory}")
	foreach(source IN LISTS ARGN)
		get_filename_component(name "${source}" NAME)
		string(REPLACE ".bpf.c" "" name "${name}")
		set(object "${CMAKE_CURRENT_BINARY_DIR}/${name}.bpf.o")
		set(header "${directory}/${name}.skel.h")
		add_custom_command(OUTPUT "${object}"
			COMMAND "${BPF_CLANG}" -target bpf -mcpu=v3 -O2 -g -Wall
				-Wextra -Werror -std=gnu17
				-D__TARGET_ARCH_x86
				"-I${PROJECT_SOURCE_DIR}"
				"-I/usr/include/${CMAKE_LIBRARY_ARCHITECTURE}"
				-MD -MF "${object}.d" -MT "${object}"
				-c "${CMAKE_CURRENT_SOURCE_DIR}/${source}"
				-o "${object}"
			DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${source}"
			DEPFILE "${object}.d" VERBATIM)
		add_custom_command(OUTPUT "${header}"
			COMMAND sh -c "echo '/* NOLINTBEGIN */' > '${header}' && '${BPFTOOL}' gen skeleton '${object}' name ${name} >> '${header}' && echo '/* NOLINTEND */' >> '${header}'"
			DEPENDS "${object}" VERBATIM)
		list(APPEND headers "${header}")
	endforeach()
	add_custom_target(${target}_headers DEPENDS ${headers})
	add_library(${target} INTERFACE)
	add_dependencies(${target} ${target}_headers)
	# Generated code is not held to our warnings.
	target_include_directories(${target} SYSTEM INTERFACE "${directory}")
	target_link_libraries(${target} INTERFACE PkgConfig::BPF)
endfunction()
