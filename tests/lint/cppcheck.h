/* SPDX-License-Identifier: Apache-2.0 */
/* Read by cppcheck before every file: jansson's loops in words it knows. */
#pragma once

#define json_array_foreach(array, index, value)                               \
	for (index = 0; (value = json_array_get(array, index)) != 0; index++)
#define json_object_foreach(object, key, value)                               \
	while (next_member(object, &key, &value))
