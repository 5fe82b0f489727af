# SPDX-License-Identifier: Apache-2.0
# schema/fields.json as the table of filter fields; run at build time with
# -DINPUT and -DOUTPUT.  A field without a type is an alias or unsupported.
cmake_minimum_required(VERSION 3.25)

file(READ "${INPUT}" json)

# The member of an entry as a C string, or 0 when it has none.
function(member out entry name)
	string(JSON value ERROR_VARIABLE missing GET "${entry}" ${name})
	if(missing)
		set(${out} "0" PARENT_SCOPE)
		return()
	endif()
	string(REPLACE "\\" "\\\\" value "${value}")
	string(REPLACE "\"" "\\\"" value "${value}")
	set(${out} "\"${value}\"" PARENT_SCOPE)
endfunction()

set(rows "")
set(calls "")
set(connections "")
set(refused "") # calls do not borrow these from their connection
string(JSON count LENGTH "${json}")
math(EXPR last "${count} - 1")
foreach(index RANGE ${last})
	string(JSON entry GET "${json}" ${index})
	set(row "")
	foreach(name name sql lookup min max zone mask present words alias
			unsupported doc)
		member(value "${entry}" ${name})
		string(APPEND row "\t\t.${name} = ${value},\n")
	endforeach()
	string(JSON name GET "${entry}" name)
	string(JSON type ERROR_VARIABLE missing GET "${entry}" type)
	string(JSON subjects ERROR_VARIABLE everywhere GET "${entry}" subjects)
	foreach(flag nocase protocol)
		string(JSON value ERROR_VARIABLE absent GET "${entry}" ${flag})
		if(NOT absent)
			string(APPEND row "\t\t.${flag} = 1,\n")
		endif()
	endforeach()
	set(mask 3)
	if("${subjects}" STREQUAL "calls")
		set(mask 1)
	elseif("${subjects}" STREQUAL "connections")
		set(mask 2)
	endif()
	string(APPEND row "\t\t.subjects = ${mask},\n")
	if(NOT missing)
		string(TOUPPER "${type}" type)
		string(APPEND row "\t\t.type = FILTER_TYPE_${type},\n")
		if(NOT mask EQUAL 2)
			list(APPEND calls "${name}")
		else()
			list(APPEND connections "${name}")
			list(APPEND calls "${name}")
		endif()
		if(mask EQUAL 3)
			list(APPEND connections "${name}")
		endif()
	endif()
	if(missing AND mask EQUAL 1)
		list(APPEND refused "${name}")
	endif()
	string(APPEND rows "\t{\n${row}\t},\n")
endforeach()
list(REMOVE_ITEM calls ${refused})

# A field that exists for both subjects apart is listed once.
foreach(list calls connections)
	list(REMOVE_DUPLICATES ${list})
	list(JOIN ${list} "\",\n\t\"" ${list})
endforeach()

file(WRITE "${OUTPUT}" "/* Generated from schema/fields.json. */
#include \"dissect/store/filter_field.h\"

const struct filter_field filter_field_table[] = {
${rows}\t{ .name = 0 },
};

const char *const filter_call_fields[] = {
	\"${calls}\",
	0,
};

const char *const filter_connection_fields[] = {
	\"${connections}\",
	0,
};
")
