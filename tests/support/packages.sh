#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs, by name from Debian, what aftertap needs.
#   packages.sh build   to build and run it
#   packages.sh test    also what the tests need
set -eu

build="gcc clang cmake ninja-build pkg-config libuv1-dev libjansson-dev
	libsqlite3-dev libzstd-dev liblz4-dev zlib1g-dev libbrotli-dev
	libxxhash-dev libnghttp2-dev libnghttp3-dev libseccomp-dev libcap-dev libssl-dev node-llhttp
	libbpf-dev libelf-dev libpcap-dev bpftool linux-libc-dev
	python3 tcpdump curl"
test="libcmocka-dev libclang-rt-14-dev clang-tidy clang-format cppcheck
	universal-ctags mandoc sqlite3 tshark wireshark-common nginx-light wrk
	dnsmasq-base dnsutils gnutls-bin golang-go redis-server postgresql mariadb-server memcached
	python3-cryptography openssl iperf3 iputils-ping iproute2 ethtool procps util-linux npm nodejs zstd lz4
	nghttp2-client nghttp2-server nghttp2-proxy python3-grpcio python3-protobuf protobuf-compiler
	python3-websockets kcat librdkafka1 python3-pymongo python3-cassandra python3-zstandard python3-kafka python3-snappy python3-lz4
	rabbitmq-server python3-pika python3-qpid-proton mosquitto mosquitto-clients python3-paho-mqtt
	ngtcp2-client ngtcp2-server
	openssh-server openssh-client
	nats-server libnats3.4
	slapd ldap-utils
	exim4-daemon-light swaks snmpd snmp freeradius freeradius-utils chrony rsyslog
	isc-dhcp-client freediameterd
	dovecot-pop3d dovecot-imapd
	vsftpd
	sip-tester
	android-libboringssl-dev"

case "${1:-}" in
build) wanted=$build ;;
test) wanted="$build $test" ;;
*) echo "usage: $0 build|test" >&2; exit 2 ;;
esac

missing=""
for package in $wanted; do
	dpkg-query -W -f='${Status}' "$package" 2>/dev/null |
		grep -q 'install ok installed' && continue
	# A newer tool of the same name from elsewhere serves as well.
	case "$package" in
	npm | nodejs) command -v "${package%js}" >/dev/null && continue ;;
	python3 | cmake) command -v "$package" >/dev/null && continue ;;
	esac
	missing="$missing $package"
done
[ -z "$missing" ] && exit 0
sudo=""
if [ "$(id -u)" -ne 0 ]; then
	sudo=sudo
fi
export DEBIAN_FRONTEND=noninteractive
$sudo apt-get update -q
# shellcheck disable=SC2086
$sudo apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends $missing
