/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a packet source costs: the nanoseconds it adds to each datagram that a
 * single thread sends to itself over loopback, and the CPU seconds per GB of
 * whoever takes the packets (and throws them away).
 *
 *   bench_source [-s cgroup|interface|af_packet] [-f FILTER] [-a AVOID]
 *                [-n ROUNDS]
 *
 * Rounds with and without the source alternate; the figures are the lowest
 * tenth of the rounds, which other work on the machine disturbs least.
 * Works in a network namespace of its own; needs root.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "capture/source/source.h"

#define ROUNDS_MAX 200
#define ROUND_BYTES (48u << 20)
#define ROUND_PACKETS 20000u

struct drain {
	struct source *source;
	atomic_bool stop;
	uint64_t bytes;
	double cpu;
};

static void
fail(const char *what)
{
	perror(what);
	exit(1);
}

static void *
drain_run(void *argument)
{
	struct drain *d = argument;
	const struct source_type *type = d->source->type;
	struct pollfd wait = { .fd = type->descriptor(d->source),
			       .events = POLLIN };
	struct timespec used;

	while (!atomic_load(&d->stop)) {
		struct source_span span;

		poll(&wait, 1, 50);
		while (type->peek(d->source, &span)) {
			d->bytes += span.size;
			type->release(d->source, span.size);
		}
	}
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	d->cpu = (double)used.tv_sec + 1e-9 * (double)used.tv_nsec;
	return NULL;
}

static void
own_loopback(void)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd;

	if (unshare(CLONE_NEWNET) < 0)
		fail("unshare");
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		fail("lo");
	close(fd);
}

static int
own_socket(void)
{
	struct sockaddr_in here = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t size = sizeof here;
	const void *address = &here;
	void *found = &here;
	int fd = socket(AF_INET, SOCK_DGRAM, 0), room = 1 << 20;

	if (fd < 0 || bind(fd, address, size) < 0 ||
	    getsockname(fd, found, &size) < 0 || connect(fd, address, size) < 0)
		fail("socket");
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	return fd;
}

/* Nanoseconds for each datagram of `size` bytes there and back. */
static double
round_run(int fd, size_t size)
{
	static char data[1 << 16];
	unsigned count = ROUND_BYTES / size < ROUND_PACKETS ?
				 (unsigned)(ROUND_BYTES / size) :
				 ROUND_PACKETS;
	int64_t start = clock_monotonic_ns();

	for (unsigned i = 0; i < count; i++)
		if (send(fd, data, size, 0) < 0 ||
		    recv(fd, data, sizeof data, 0) < 0)
			fail("loopback");
	return (double)(clock_monotonic_ns() - start) / count;
}

static int
compare(const void *left, const void *right)
{
	const double *a = left, *b = right;

	return (*a > *b) - (*a < *b);
}

static double
lowest_tenth(double *values, int count)
{
	qsort(values, (size_t)count, sizeof *values, compare);
	return values[count / 10];
}

/* One round with the source; adds to what the drain used. */
static double
round_with(const struct source_type *type,
	   const struct source_options *options, int fd, size_t size,
	   struct drain *sum)
{
	struct drain d = { .bytes = 0 };
	struct error e = { 0 };
	pthread_t thread;
	double result;

	if (type->open(options, &d.source, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		exit(1);
	}
	pthread_create(&thread, NULL, drain_run, &d);
	(void)round_run(fd, size);
	result = round_run(fd, size);
	atomic_store(&d.stop, true);
	pthread_join(thread, NULL);
	type->close(d.source);
	sum->bytes += d.bytes;
	sum->cpu += d.cpu;
	return result;
}

static void
measure(const struct source_type *type, const struct source_options *options,
	size_t size, int rounds)
{
	static double without[ROUNDS_MAX], with[ROUNDS_MAX];
	struct drain sum = { .bytes = 0 };
	int fd = own_socket();
	double base, cost;

	for (int i = 0; i < rounds; i++) {
		(void)round_run(fd, size);
		without[i] = round_run(fd, size);
		with[i] = round_with(type, options, fd, size, &sum);
	}
	base = lowest_tenth(without, rounds);
	cost = lowest_tenth(with, rounds) - base;
	printf("%-10s %6zu B: %7.0f ns without, %6.0f ns more; drain %.3f "
	       "s/GB\n",
	       type->name, size, base, cost,
	       sum.bytes ? sum.cpu * 1e9 / (double)sum.bytes : 0);
	close(fd);
}

int
main(int argc, char **argv)
{
	static const char *const lo[] = { "lo" };
	static const struct source_type *const types[] = {
		&source_cgroup, &source_interface, &source_af_packet
	};
	static const size_t sizes[] = { 64, 1000, 16000, 60000 };
	struct source_options options = { .interfaces = lo,
					  .interface_count = 1 };
	const char *wanted = NULL;
	int letter, rounds = 20;

	while ((letter = getopt(argc, argv, "s:f:a:n:")) != -1) {
		if (letter == 's')
			wanted = optarg;
		else if (letter == 'f')
			options.filter = optarg;
		else if (letter == 'a')
			options.avoid = (unsigned)atoi(optarg);
		else if (letter == 'n')
			rounds = atoi(optarg);
		else
			return 2;
	}
	if (rounds < 1 || rounds > ROUNDS_MAX)
		return 2;
	own_loopback();
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < sizeof types / sizeof *types; i++)
		for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
			if (!wanted || strcmp(wanted, types[i]->name) == 0)
				measure(types[i], &options, sizes[k], rounds);
	return 0;
}
