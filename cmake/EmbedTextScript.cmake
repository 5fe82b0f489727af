# SPDX-License-Identifier: Apache-2.0
# Run by embed_text at build time.
string(REPLACE "|" ";" files "${FILES}")
set(arrays "")
set(entries "")
set(index 0)
foreach(file IN LISTS files)
	file(READ "${ROOT}/${file}" hex HEX)
	string(LENGTH "${hex}" digits)
	math(EXPR size "${digits} / 2")
	string(REGEX REPLACE "(................................)" "\\1\n"
		hex "${hex}")
	string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
	string(APPEND arrays
		"static const unsigned char text_${index}[] = {\n${bytes}0};\n")
	string(APPEND entries
		"\t{ \"${file}\", (const char *)text_${index}, ${size} },\n")
	math(EXPR index "${index} + 1")
endforeach()
set(body "/* Generated from schema/ by cmake/EmbedTextScript.cmake. */
#include \"schema/schema.h\"

${arrays}
const struct schema_text schema_texts[] = {
${entries}\t{ 0, 0, 0 },
};
")
file(WRITE "${OUTPUT}" "${body}")
