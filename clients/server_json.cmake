# SPDX-License-Identifier: Apache-2.0
# The registry's server.json, with the hash of the bundle it points to.
file(SHA256 "${BUNDLE}" BUNDLE_SHA256)
get_filename_component(BUNDLE_NAME "${BUNDLE}" NAME)
configure_file("${TEMPLATE}" "${OUTPUT}" @ONLY)
