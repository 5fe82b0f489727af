# SPDX-License-Identifier: Apache-2.0
# aftertap_library(NAME SOURCES… LINK…): one layer as a static library.
function(aftertap_library name)
	cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
	add_library(${name} STATIC ${ARG_SOURCES})
	aftertap_common(${name})
	target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# aftertap_program(NAME SOURCES… LINK…): an installed program.
function(aftertap_program name)
	cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
	add_executable(${name} ${ARG_SOURCES})
	aftertap_common(${name})
	target_link_libraries(${name} PRIVATE ${ARG_LINK})
	set_target_properties(${name} PROPERTIES
		RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}"
		BUILD_RPATH "$ORIGIN/lib") # for clients/package.cmake
	install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()

# aftertap_test(NAME LABEL SOURCES… LINK…): a cmocka test program run by ctest.
function(aftertap_test name label)
	cmake_parse_arguments(ARG "" "" "SOURCES;LINK" ${ARGN})
	add_executable(${name} ${ARG_SOURCES})
	aftertap_common(${name})
	target_link_libraries(${name} PRIVATE ${ARG_LINK} PkgConfig::CMOCKA)
	add_test(NAME ${name} COMMAND ${name})
	set_tests_properties(${name} PROPERTIES LABELS "${label}" TIMEOUT 300)
endfunction()

function(aftertap_common name)
	target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}
		${PROJECT_BINARY_DIR})
	target_compile_definitions(${name} PRIVATE _GNU_SOURCE
		AFTERTAP_VERSION="${PROJECT_VERSION}")
	target_compile_options(${name} PRIVATE ${AFTERTAP_WARNINGS})
endfunction()
