/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks a container engine for the labels of a container, in a thread of its
 * own: GET /containers/<id>/json of the Docker API v1.24 and later (Podman
 * serves it too) over /run/docker.sock or /run/podman/podman.sock.  Each
 * question has a second; at most 64 wait.
 */
#pragma once

#include <stdbool.h>

#include "base/bytes.h"

struct container_engine;

/* Never fails; without a socket nothing is ever answered. */
struct container_engine *container_engine_new(const char *root);
void container_engine_free(struct container_engine *engine);

/* Whether a socket is there. */
bool container_engine_present(const struct container_engine *engine);

/* Asks, unless too much is asked already; false then. */
bool container_engine_ask(struct container_engine *engine, struct bytes id);

/* Strings are the caller's, to be freed; NULL where the label is absent. */
struct container_labels {
	char *id;
	char *pod, *pod_namespace, *pod_uid, *container;
};

/* Takes one answer; false when there is none. */
bool container_engine_take(struct container_engine *engine,
			   struct container_labels *out);
void container_labels_free(struct container_labels *labels);

/* The labels of an answer's body; false when it is no such object. */
bool container_labels_parse(struct bytes body, struct container_labels *out);
