# SPDX-License-Identifier: Apache-2.0
def reason(file, protocol, theirs, ours):
    return None
