# SPDX-License-Identifier: Apache-2.0
if(AFTERTAP_SANITIZE)
	add_compile_options(-fsanitize=${AFTERTAP_SANITIZE}
		-fno-omit-frame-pointer -fno-sanitize-recover=all)
	add_link_options(-fsanitize=${AFTERTAP_SANITIZE})
	add_compile_definitions(AFTERTAP_SANITIZED=1)
endif()
if(AFTERTAP_FUZZ)
	add_compile_options(-fsanitize=fuzzer-no-link)
endif()
