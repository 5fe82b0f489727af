/* SPDX-License-Identifier: Apache-2.0 */
#include "capture/identity/container_engine.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/sandbox.h"

#define QUESTIONS  64
#define ANSWER_MAX ((size_t)1 << 20)
#define READ_STEP  ((size_t)16 << 10)
#define ID_MAX     128
/* Names of Kubernetes have up to 253 characters. */
#define LABEL_MAX  512

struct container_engine {
	char *socket; /* NULL: none is there */
	pthread_t thread;
	bool running;
	pthread_mutex_t mutex;
	pthread_cond_t asked;
	bool ending;
	char *questions[QUESTIONS];
	size_t question_count;
	struct container_labels answers[QUESTIONS];
	size_t answer_count;
};

void
container_labels_free(struct container_labels *labels)
{
	free(labels->id);
	free(labels->pod);
	free(labels->pod_namespace);
	free(labels->pod_uid);
	free(labels->container);
	*labels = (struct container_labels){ .id = NULL };
}

static char *
label(const json_t *labels, const char *name)
{
	const char *text = json_string_value(json_object_get(labels, name));

	return text && strlen(text) <= LABEL_MAX ? alloc_string(text) : NULL;
}

bool
container_labels_parse(struct bytes body, struct container_labels *out)
{
	json_t *root = json_loadb((const char *)body.data, body.size, 0, NULL);
	const json_t *labels = json_object_get(
		json_object_get(root, "Config"), "Labels");

	*out = (struct container_labels){ .id = NULL };
	if (json_is_object(labels)) {
		out->pod = label(labels, "io.kubernetes.pod.name");
		out->pod_namespace =
			label(labels, "io.kubernetes.pod.namespace");
		out->pod_uid = label(labels, "io.kubernetes.pod.uid");
		out->container = label(labels, "io.kubernetes.container.name");
	}
	json_decref(root);
	return out->pod || out->pod_namespace || out->pod_uid ||
	       out->container;
}

static int
engine_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval limit = { .tv_usec = 250000 };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (connect(fd, (const struct sockaddr *)&address,
		    sizeof(address)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

/* HTTP/1.0: the answer ends with the connection and is not chunked. */
static bool
engine_get(int fd, const char *id, struct buf *answer)
{
	char *request = alloc_format("GET /containers/%s/json HTTP/1.0\r\n"
				     "Host: localhost\r\n\r\n",
				     id);
	int64_t until = clock_monotonic_ns() + CLOCK_NS_PER_S;
	bool sent = send(fd, request, strlen(request), MSG_NOSIGNAL) ==
		    (ssize_t)strlen(request);
	ssize_t n = -1;

	free(request);
	while (sent && clock_monotonic_ns() < until) {
		uint8_t *to = buf_reserve(answer, READ_STEP);

		n = to ? recv(fd, to, READ_STEP, 0) : -1;
		if (n <= 0)
			break;
		answer->size += (size_t)n;
	}
	return n == 0;
}

static struct bytes
body_of(struct buf *answer)
{
	const char *text = buf_cstr(answer);
	const char *end = strstr(text, "\r\n\r\n");

	if (strncmp(text, "HTTP/1.", 7) != 0 ||
	    strncmp(text + 8, " 200", 4) != 0 || !end)
		return bytes_make(NULL, 0);
	return bytes_from(buf_view(answer), (size_t)(end + 4 - text));
}

static bool
engine_answer(const char *path, char *id, struct container_labels *out)
{
	struct buf answer;
	struct bytes body;
	int fd = engine_connect(path);
	bool found = false;

	if (fd < 0)
		return false;
	buf_init(&answer, ANSWER_MAX);
	if (engine_get(fd, id, &answer)) {
		body = body_of(&answer);
		found = body.size && container_labels_parse(body, out);
	}
	if (found)
		out->id = alloc_string(id);
	buf_free(&answer);
	close(fd);
	return found;
}

static void *
engine_run(void *context)
{
	struct container_engine *engine = context;

	/* It parses what others say and needs no right of root's: capabilities
	 * are a thread's own, and what the program gives up later would stay
	 * here. */
	if (sandbox_drop_privileges(NULL) < 0)
		return NULL;
	pthread_mutex_lock(&engine->mutex);
	while (!engine->ending) {
		struct container_labels labels;
		char *id;
		bool found;

		if (engine->question_count == 0) {
			pthread_cond_wait(&engine->asked, &engine->mutex);
			continue;
		}
		id = engine->questions[--engine->question_count];
		pthread_mutex_unlock(&engine->mutex);
		found = engine_answer(engine->socket, id, &labels);
		free(id);
		pthread_mutex_lock(&engine->mutex);
		if (found && engine->answer_count < QUESTIONS)
			engine->answers[engine->answer_count++] = labels;
		else if (found)
			container_labels_free(&labels);
	}
	pthread_mutex_unlock(&engine->mutex);
	return NULL;
}

static char *
engine_socket(const char *root)
{
	static const char *const places[] = { "/run/docker.sock",
					      "/var/run/docker.sock",
					      "/run/podman/podman.sock" };

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		char *path = alloc_format("%s%s", root, places[i]);

		if (access(path, R_OK | W_OK) == 0)
			return path;
		free(path);
	}
	return NULL;
}

struct container_engine *
container_engine_new(const char *root)
{
	struct container_engine *engine = alloc_zero(1, sizeof(*engine));

	pthread_mutex_init(&engine->mutex, NULL);
	pthread_cond_init(&engine->asked, NULL);
	engine->socket = engine_socket(root);
	if (engine->socket)
		engine->running = pthread_create(&engine->thread, NULL,
						 engine_run, engine) == 0;
	return engine;
}

void
container_engine_free(struct container_engine *engine)
{
	if (!engine)
		return;
	pthread_mutex_lock(&engine->mutex);
	engine->ending = true;
	pthread_cond_signal(&engine->asked);
	pthread_mutex_unlock(&engine->mutex);
	if (engine->running)
		pthread_join(engine->thread, NULL);
	for (size_t i = 0; i < engine->question_count; i++)
		free(engine->questions[i]);
	for (size_t i = 0; i < engine->answer_count; i++)
		container_labels_free(&engine->answers[i]);
	pthread_cond_destroy(&engine->asked);
	pthread_mutex_destroy(&engine->mutex);
	free(engine->socket);
	free(engine);
}

bool
container_engine_present(const struct container_engine *engine)
{
	return engine->running;
}

bool
container_engine_ask(struct container_engine *engine, struct bytes id)
{
	bool asked = false;

	if (!engine->running || id.size == 0 || id.size > ID_MAX)
		return false;
	pthread_mutex_lock(&engine->mutex);
	if (engine->question_count < QUESTIONS) {
		engine->questions[engine->question_count++] =
			alloc_string_n(id.data, id.size);
		pthread_cond_signal(&engine->asked);
		asked = true;
	}
	pthread_mutex_unlock(&engine->mutex);
	return asked;
}

bool
container_engine_take(struct container_engine *engine,
		      struct container_labels *out)
{
	bool taken = false;

	pthread_mutex_lock(&engine->mutex);
	if (engine->answer_count > 0) {
		*out = engine->answers[--engine->answer_count];
		taken = true;
	}
	pthread_mutex_unlock(&engine->mutex);
	return taken;
}
