/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packets for tests, built from the inside out: begin with the payload, then
 * put one header after another in front of it.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "capture/packet_reader.h"

#define FRAME_SIZE (640u << 10)

struct frame {
	size_t start; /* the frame is bytes[start .. FRAME_SIZE) */
	uint8_t bytes[FRAME_SIZE];
};

void frame_start(struct frame *f, const void *payload, size_t size);

/* Bytes in front, as they are, or as hexadecimal digits and blanks. */
void frame_push(struct frame *f, const void *data, size_t size);
void frame_push_hex(struct frame *f, const char *hex);

struct frame_tcp {
	uint16_t source, target;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	const char *options; /* hexadecimal, a multiple of 4 bytes, or NULL */
};

void frame_tcp(struct frame *f, const struct frame_tcp *tcp);
void frame_udp(struct frame *f, uint16_t source, uint16_t target);

struct frame_ipv4 {
	const char *source, *target;
	uint8_t protocol, ttl;
	uint16_t id;
	uint16_t fragment; /* flags and offset as in the header */
};

void frame_ipv4(struct frame *f, const struct frame_ipv4 *ip);
void frame_ipv6(struct frame *f, const char *source, const char *target,
		uint8_t next_header);
void frame_ethernet(struct frame *f, uint16_t ethertype);

/* The frame as recorded, whole. */
struct packet_record frame_record(const struct frame *f, uint16_t link_type,
				  int64_t time_ns);
