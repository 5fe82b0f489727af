# SPDX-License-Identifier: Apache-2.0
# The strict warnings every target of ours is built with.
set(AFTERTAP_WARNINGS
	-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wvla -Wundef
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition
	-Wpointer-arith -Wcast-align -Wcast-qual -Wwrite-strings -Wformat=2
	-Wswitch-enum -Wimplicit-fallthrough -Wdouble-promotion
	-Wnull-dereference)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
	list(APPEND AFTERTAP_WARNINGS -Wlogical-op -Wduplicated-cond
		-Wduplicated-branches -Wjump-misses-init -Wstack-usage=16384)
endif()
