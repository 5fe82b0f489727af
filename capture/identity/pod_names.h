/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of pods and containers as the node itself knows them, without an API
 * server: kubelet's log directories
 *   /var/log/pods/<namespace>_<pod>_<uid>/<container>/
 *   /var/log/containers/<pod>_<namespace>_<container>-<container id>.log
 * (kubernetes/pkg/kubelet/kuberuntime: names of namespaces, pods and
 * containers have no underscore), and what a container engine that speaks the
 * Docker API says of a container's labels.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct pod_names;

/* Strings are borrowed until the next call. */
struct pod_name {
	struct bytes pod, pod_namespace, pod_uid, container;
	const char *mechanism; /* "log directory", "container engine" */
};

/* `root` is what /var/log and /run lie below ("" for "/"); copied. */
struct pod_names *pod_names_new(const char *root);
void pod_names_free(struct pod_names *n);

/*
 * Looks up a container's full id, or a pod's uid; either may be empty.  The
 * directories are read again when they have changed, at most once a second.
 * A container that they do not know is asked about in the background: then the
 * result is false now and may be true later (pod_names_pending).
 */
bool pod_names_find(struct pod_names *n, struct bytes container_id,
		    struct bytes pod_uid, struct pod_name *out);

/* Answers that have come since the last call: ask again for what was not
 * found. */
bool pod_names_news(struct pod_names *n);

/* Whether a directory or socket of each kind is there. */
bool pod_names_has_logs(const struct pod_names *n);
bool pod_names_has_engine(const struct pod_names *n);

/* Containers and pods known. */
size_t pod_names_count(const struct pod_names *n);
