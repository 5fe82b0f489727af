/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A TLS server and client of the functions that OpenSSL and BoringSSL share,
 * to be linked with either:
 *
 *   tls_peer server PORT VERSION CERT KEY KEYLOG
 *       until it is killed; answers "said PATH"
 *   tls_peer client PORT VERSION KEYLOG PATH…
 *       asks for each in a connection of its own, resuming the session of the
 *       one before; prints "new BODY" or "resumed BODY"
 *
 * VERSION is TLSv1.2 or TLSv1.3.  KEYLOG is appended to; "-": none.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX 4096

static const char *peer_log;
static SSL_SESSION *peer_session;

static _Noreturn void
peer_fail(const char *what)
{
	fprintf(stderr, "tls_peer: %s\n", what);
	exit(1);
}

static void
peer_keylog(const SSL *ssl, const char *line)
{
	FILE *file = fopen(peer_log, "a");

	(void)ssl;
	if (!file || fprintf(file, "%s\n", line) < 0 || fclose(file) != 0)
		peer_fail("cannot write the key log");
}

/* A session that can be resumed; it is ours from here on. */
static int
peer_on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(peer_session);
	peer_session = session;
	return 1;
}

static SSL_CTX *
peer_context(const char *version, const char *log)
{
	SSL_CTX *context = SSL_CTX_new(TLS_method());
	uint16_t number = strcmp(version, "TLSv1.2") == 0 ? TLS1_2_VERSION
							  : TLS1_3_VERSION;

	if (!context || !SSL_CTX_set_min_proto_version(context, number) ||
	    !SSL_CTX_set_max_proto_version(context, number))
		peer_fail("no context");
	peer_log = log;
	if (strcmp(log, "-") != 0)
		SSL_CTX_set_keylog_callback(context, peer_keylog);
	return context;
}

static struct sockaddr_in
peer_address(const char *port)
{
	return (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(port)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

/* Reads until `end` has come, or the other side ends. */
static bool
peer_read(SSL *ssl, char *text, const char *end)
{
	int size = 0;

	text[0] = '\0';
	while (!strstr(text, end) && size < MESSAGE_MAX - 1) {
		int got = SSL_read(ssl, text + size, MESSAGE_MAX - 1 - size);

		if (got <= 0)
			return false;
		size += got;
		text[size] = '\0';
	}
	return true;
}

static void
peer_answer(SSL *ssl)
{
	char request[MESSAGE_MAX], path[256], answer[MESSAGE_MAX];
	int size;

	if (SSL_accept(ssl) != 1 || !peer_read(ssl, request, "\r\n\r\n") ||
	    sscanf(request, "GET %255s", path) != 1)
		return;
	size = snprintf(answer, sizeof(answer),
			"HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n"
			"Connection: close\r\n\r\nsaid %s",
			strlen("said ") + strlen(path), path);
	if (SSL_write(ssl, answer, size) == size)
		SSL_shutdown(ssl);
}

static void
peer_serve(SSL_CTX *context, const char *port, char **files)
{
	struct sockaddr_in address = peer_address(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	SSL_CTX_set_session_id_context(context, (const uint8_t *)"peer", 4);
	if (SSL_CTX_use_certificate_file(context, files[0],
					 SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, files[1],
					SSL_FILETYPE_PEM) != 1)
		peer_fail("no certificate");
	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 16) < 0)
		peer_fail("cannot listen");
	for (;;) {
		int connection = accept(fd, NULL, NULL);
		SSL *ssl = SSL_new(context);

		if (connection >= 0 && ssl && SSL_set_fd(ssl, connection))
			peer_answer(ssl);
		SSL_free(ssl);
		close(connection);
	}
}

static void
peer_ask(SSL_CTX *context, const char *port, const char *path)
{
	struct sockaddr_in address = peer_address(port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), size;
	SSL *ssl = SSL_new(context);
	char text[MESSAGE_MAX], body[300];

	if (peer_session)
		SSL_set_session(ssl, peer_session);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    !SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1)
		peer_fail("cannot connect");
	size = snprintf(text, sizeof(text),
			"GET %s HTTP/1.1\r\nHost: localhost\r\n"
			"Connection: close\r\n\r\n",
			path);
	snprintf(body, sizeof(body), "said %s", path);
	if (SSL_write(ssl, text, size) != size || !peer_read(ssl, text, body))
		peer_fail("no answer");
	printf("%s %s\n", SSL_session_reused(ssl) ? "resumed" : "new",
	       strstr(text, body));
	SSL_shutdown(ssl);
	SSL_free(ssl);
	close(fd);
}

int
main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 7 && strcmp(argv[1], "server") == 0) {
		peer_serve(peer_context(argv[3], argv[6]), argv[2], argv + 4);
	} else if (argc >= 6 && strcmp(argv[1], "client") == 0) {
		SSL_CTX *context = peer_context(argv[3], argv[4]);

		SSL_CTX_set_session_cache_mode(
			context, SSL_SESS_CACHE_CLIENT |
					 SSL_SESS_CACHE_NO_INTERNAL_STORE);
		SSL_CTX_sess_set_new_cb(context, peer_on_session);
		for (int i = 5; i < argc; i++)
			peer_ask(context, argv[2], argv[i]);
		SSL_SESSION_free(peer_session);
		SSL_CTX_free(context);
		return 0;
	}
	return 2;
}
