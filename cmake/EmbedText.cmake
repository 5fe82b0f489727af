# SPDX-License-Identifier: Apache-2.0
# embed_text(OUTPUT ROOT FILES…): a C file with `schema_texts[]`, one entry a
# file, named by its path below ROOT.  The generator is cmake itself.
function(embed_text output root)
	set(files ${ARGN})
	set(paths "")
	foreach(file IN LISTS files)
		list(APPEND paths "${root}/${file}")
	endforeach()
	string(REPLACE ";" "|" joined "${files}")
	add_custom_command(OUTPUT ${output}
		COMMAND ${CMAKE_COMMAND} "-DOUTPUT=${output}" "-DROOT=${root}"
			"-DFILES=${joined}"
			-P "${PROJECT_SOURCE_DIR}/cmake/EmbedTextScript.cmake"
		DEPENDS ${paths} "${PROJECT_SOURCE_DIR}/cmake/EmbedTextScript.cmake"
		VERBATIM)
endfunction()
