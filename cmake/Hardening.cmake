# SPDX-License-Identifier: Apache-2.0
# Release builds: checked libc calls, stack protection, full RELRO, PIE.
include(CheckPIESupported)
check_pie_supported(LANGUAGES C)
if(CMAKE_BUILD_TYPE MATCHES "Release|RelWithDebInfo" AND NOT AFTERTAP_SANITIZE
   AND NOT AFTERTAP_FUZZ)
	add_compile_options(-U_FORTIFY_SOURCE
		$<IF:$<C_COMPILER_ID:GNU>,-D_FORTIFY_SOURCE=3,-D_FORTIFY_SOURCE=2>
		-fstack-protector-strong -fstack-clash-protection -fcf-protection)
	add_link_options(-Wl,-z,relro,-z,now -Wl,--as-needed)
endif()
# assert() stays on in release: it guards against our own bugs.
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}")
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELWITHDEBINFO
	"${CMAKE_C_FLAGS_RELWITHDEBINFO}")
