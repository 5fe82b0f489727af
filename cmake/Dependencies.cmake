# SPDX-License-Identifier: Apache-2.0
# Everything comes from the distribution; tests/support/packages lists names.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(dependency
		LIBUV:libuv>=1.44 JANSSON:jansson>=2.14 SQLITE:sqlite3>=3.40
		ZSTD:libzstd>=1.5 LZ4:liblz4 ZLIB:zlib BROTLI:libbrotlidec
		XXHASH:libxxhash NGHTTP2:libnghttp2>=1.50 NGHTTP3:libnghttp3>=0.8
		SECCOMP:libseccomp CAP:libcap CRYPTO:libcrypto>=3 OPENSSL:openssl>=3
		BPF:libbpf>=1.1 ELF:libelf PCAP:libpcap)
	string(REPLACE ":" ";" parts "${dependency}")
	list(GET parts 0 name)
	list(GET parts 1 module)
	pkg_check_modules(${name} REQUIRED IMPORTED_TARGET ${module})
endforeach()

# llhttp ships as C sources in Debian's node-llhttp.
find_path(LLHTTP_INCLUDE_DIR llhttp.h
	PATHS /usr/share/include/llhttp /usr/include REQUIRED)
find_path(LLHTTP_SOURCE_DIR llhttp.c PATHS /usr/share/llhttp REQUIRED)
add_library(llhttp STATIC
	${LLHTTP_SOURCE_DIR}/api.c ${LLHTTP_SOURCE_DIR}/http.c
	${LLHTTP_SOURCE_DIR}/llhttp.c)
target_include_directories(llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE_DIR})
target_compile_options(llhttp PRIVATE -O3 -w)
