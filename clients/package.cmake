# SPDX-License-Identifier: Apache-2.0
# Copies PROGRAMS (separated by "|"), stripped, to DIRECTORY, and the shared
# libraries they need to DIRECTORY/lib, where they look first ($ORIGIN/lib).
# The C library is the system's own: it and the kernel belong together.
string(REPLACE "|" ";" PROGRAMS "${PROGRAMS}")
file(REMOVE_RECURSE "${DIRECTORY}")
file(MAKE_DIRECTORY "${DIRECTORY}/lib")

file(GET_RUNTIME_DEPENDENCIES
	EXECUTABLES ${PROGRAMS}
	RESOLVED_DEPENDENCIES_VAR libraries
	UNRESOLVED_DEPENDENCIES_VAR missing
	PRE_EXCLUDE_REGEXES
		"^(libc|libm|libdl|libpthread|librt|libresolv)\\.so"
		"^ld-linux" "^linux-vdso")
if(missing)
	message(FATAL_ERROR "libraries not found: ${missing}")
endif()

foreach(library IN LISTS libraries)
	get_filename_component(real "${library}" REALPATH)
	get_filename_component(name "${library}" NAME)
	configure_file("${real}" "${DIRECTORY}/lib/${name}" COPYONLY)
	# Debian says under which terms it may be handed on.
	execute_process(COMMAND dpkg -S "*/${name}" OUTPUT_VARIABLE owner
		ERROR_QUIET RESULT_VARIABLE failed)
	string(REGEX MATCH "^[a-z0-9.+-]+" package "${owner}")
	if(NOT failed AND EXISTS "/usr/share/doc/${package}/copyright")
		configure_file("/usr/share/doc/${package}/copyright"
			"${DIRECTORY}/lib/${package}.copyright" COPYONLY)
	endif()
endforeach()
foreach(program IN LISTS PROGRAMS)
	get_filename_component(name "${program}" NAME)
	configure_file("${program}" "${DIRECTORY}/${name}" COPYONLY)
	execute_process(COMMAND "${STRIP}" "${DIRECTORY}/${name}"
		COMMAND_ERROR_IS_FATAL ANY)
endforeach()
