/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers and pods as they show in the path of a cgroup.  Runtimes name the
 * leaf, kubelet the pod above it; the innermost container counts.
 */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

#define CONTAINER_POD_UID_SIZE 64

struct container_id {
	struct bytes id;      /* borrowed from the path; empty: none */
	const char *runtime;  /* "docker", "containerd", "cri-o", "podman",
			       * "lxc"; "" where the path does not say */
	char pod_uid[CONTAINER_POD_UID_SIZE]; /* with dashes; "": no pod */
};

/* True when the path names a container or a pod. */
bool container_id_parse(struct bytes cgroup_path, struct container_id *out);
