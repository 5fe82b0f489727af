/* SPDX-License-Identifier: Apache-2.0 */
/* Deliveries of AMQP 1.0 and the sections of their messages (Part 3, §3.2). */
#include <stdlib.h>

#include "base/alloc.h"
#include "dissect/proto/amqp1_parts.h"

/* Values that describe a value that describes a value … */
#define DESCRIBED_LIMIT 4

static const char header_fields[] =
	"durable priority ttl first-acquirer delivery-count";
static const char property_fields[] =
	"message-id user-id to subject reply-to correlation-id content-type"
	" content-encoding absolute-expiry-time creation-time group-id"
	" group-sequence reply-to-group-id";

/* The front of a section. */
struct section {
	size_t need;    /* bytes to go on: all of it, or of its head; 0: it is
			 * none */
	uint64_t type;
	bool passed;    /* its contents are passed as they are … */
	bool kept;      /* … into the body */
	uint64_t size;  /* bytes of those contents */
};

/* Selects the delivery that is open on the link; NULL when there is none. */
static struct amqp1_content *
select_content(struct amqp1_frame *f, uint32_t number)
{
	struct amqp1_link *link = number < f->conn->link_count
					  ? &f->conn->links[number]
					  : NULL;

	/* Its place may be a link of the other side by now. */
	if (!link || !link->used || link->side != f->side ||
	    !link->content.exchange)
		return NULL;
	if (!sink_channel(f->sink, link->content.exchange, SIDE_CLIENT, false))
		return NULL;
	return sink_is_open(f->sink) ? &link->content : NULL;
}

static void
end_delivery(struct amqp1_frame *f, struct amqp1_content *content,
	     size_t consumed)
{
	uint64_t exchange = content->exchange;
	bool waits = !content->settled &&
		     amqp1_unsettled_has(f->conn, exchange);

	if (content->left || content->held_size)
		sink_incomplete(f->sink);
	if (content->settled || content->delivery == AMQP1_UNKNOWN)
		sink_flags(f->sink, MESSAGE_NO_RESPONSE);
	amqp1_content_free(content, f->sink);
	*content = (struct amqp1_content){ .exchange = 0 };
	amqp1_say_path(f, bytes_make(NULL, 0));
	sink_end(f->sink, consumed);
	if (waits)
		return;
	amqp1_unsettled_remove(f->conn, exchange);
	sink_channel_close(f->sink, false);
}

void
amqp1_content_cut(struct amqp1_frame *f, struct amqp1_link *link)
{
	struct amqp1_content *content = &link->content;

	if (select_content(f, (uint32_t)(link - f->conn->links))) {
		sink_incomplete(f->sink);
		end_delivery(f, content, 0);
	}
	amqp1_content_free(content, f->sink);
	*content = (struct amqp1_content){ .exchange = 0 };
}

/* Claims-based security: what is sent there are tokens. */
static bool
is_for_tokens(const struct amqp1_link *link)
{
	return bytes_equal(bytes_make(link->address, link->address_size),
			   bytes_of("$cbs"));
}

/* A delivery begins; its session and link are those of the frame. */
static void
begin_delivery(struct amqp1_frame *f, struct amqp1_link *link)
{
	struct amqp1_content *content = &link->content;
	struct amqp1_value id = amqp1_field(&f->body, 1);
	bool settled = amqp1_field(&f->body, 4).number != 0;

	*content = (struct amqp1_content){
		.exchange = amqp1_exchange_new(f->conn),
		.delivery = id.kind == AMQP1_UNSIGNED ? (uint32_t)id.number
						      : AMQP1_UNKNOWN,
		.holes = f->conn->sides[f->side].holes,
		/* Its beginning was not seen. */
		.lost = id.kind != AMQP1_UNSIGNED,
		.secret = f->side == SIDE_CLIENT && is_for_tokens(link),
	};
	if (!content->lost && !settled)
		amqp1_unsettled_add(f, content->exchange, content->delivery);
	sink_channel(f->sink, content->exchange, SIDE_CLIENT, true);
	sink_begin(f->sink);
	amqp1_say_begin(f, f->side == SIDE_CLIENT ? "transfer" : "deliver");
	if (link->address_size)
		sink_field(f->sink, FIELD_PATH,
			   bytes_make(link->address, link->address_size));
	amqp1_say_fields(f);
	if (content->lost)
		sink_incomplete(f->sink);
}

/* Whether the frame goes on with what is open on its link. */
static bool
goes_on(const struct amqp1_frame *f, const struct amqp1_content *content)
{
	struct amqp1_value id = amqp1_field(&f->body, 1);

	/* Behind a hole it may be of the message after it. */
	return content->exchange &&
	       content->holes == f->conn->sides[f->side].holes &&
	       (id.kind == AMQP1_NULL ||
		(uint32_t)id.number == content->delivery);
}

void
amqp1_transfer(struct amqp1_frame *f, uint32_t left)
{
	struct amqp1_side *side = &f->conn->sides[f->side];
	struct amqp1_value handle = amqp1_field(&f->body, 0);
	struct amqp1_link *link = amqp1_link_of(f, (uint32_t)handle.number);
	struct amqp1_content *content;

	side->state = AMQP1_IN_PAYLOAD;
	side->left = left;
	side->more = amqp1_field(&f->body, 5).number != 0;
	side->link = link ? (uint32_t)(link - f->conn->links) : AMQP1_UNKNOWN;
	if (!link)
		return;
	if (!goes_on(f, &link->content)) {
		amqp1_content_cut(f, link);
		begin_delivery(f, link);
	}
	content = select_content(f, side->link);
	if (!content)
		return;
	sink_wire(f->sink, f->size);
	content->settled |= amqp1_field(&f->body, 4).number != 0;
	if (!amqp1_field(&f->body, 9).number)
		return;
	side->more = false;
	content->settled = true;
	sink_field(f->sink, FIELD_ERROR, bytes_of("aborted by its sender"));
	sink_flags(f->sink, MESSAGE_IS_ERROR);
	sink_incomplete(f->sink);
}

void
amqp1_transfer_end(struct amqp1_frame *f, size_t consumed)
{
	struct amqp1_side *side = &f->conn->sides[f->side];
	struct amqp1_content *content = select_content(f, side->link);

	side->state = AMQP1_AT_FRAME;
	if (content && !side->more)
		end_delivery(f, content, consumed);
}

/* Sections. */

/* Text and bytes are the body themselves, whatever their size. */
static bool
is_body(uint64_t type, uint8_t code)
{
	bool binary = code == 0xa0 || code == 0xb0;
	bool text = code == 0xa1 || code == 0xb1 || code == 0xa3 ||
		    code == 0xb3;

	return (type == AMQP1_DATA && binary) ||
	       (type == AMQP1_VALUE && (binary || text));
}

/* What begins at the front of `in`. */
static struct section
read_section(struct bytes in)
{
	struct section s = { .need = in.size + 1 };
	uint64_t inner;
	size_t head = amqp1_descriptor(in, &s.type), described;
	struct amqp1_extent extent;
	bool plain = true;

	if (s.type < AMQP1_HEADER || s.type > AMQP1_FOOTER) {
		s.need = head ? 0 : s.need;
		return s;
	}
	for (int i = 0; i < DESCRIBED_LIMIT; i++) {
		if (head >= in.size || in.data[head])
			break;
		described = amqp1_descriptor(bytes_from(in, head), &inner);
		if (!described)
			return s;
		head += described;
		plain = false;
	}
	extent = amqp1_extent(bytes_from(in, head));
	if (!extent.head)
		return s;
	head += extent.head;
	s.size = extent.size;
	s.kept = plain && is_body(s.type, extent.code);
	s.passed = s.kept || head + s.size > AMQP1_SECTION_HELD;
	s.need = head + (s.passed ? 0 : (size_t)s.size);
	return s;
}

static void
say_property(struct amqp1_frame *f, struct bytes name,
	     const struct amqp1_value *value)
{
	struct bytes text = value->kind == AMQP1_STRING ||
					    value->kind == AMQP1_SYMBOL
				    ? value->bytes
				    : bytes_make(NULL, 0);

	amqp1_say(f->sink, "", name, value);
	if (bytes_equal(name, bytes_of("content-type")))
		sink_field(f->sink, FIELD_CONTENT_TYPE, text);
	if (bytes_equal(name, bytes_of("content-encoding"))) {
		if (bytes_equal_nocase(text, bytes_of("gzip")))
			sink_encoding(f->sink, ENCODING_GZIP);
		if (bytes_equal_nocase(text, bytes_of("deflate")))
			sink_encoding(f->sink, ENCODING_DEFLATE);
	}
	/* Of a link to no node in particular. */
	if (bytes_equal(name, bytes_of("to")) &&
	    !sink_value(f->sink, FIELD_PATH).size)
		sink_field(f->sink, FIELD_PATH, text);
}

static void
say_named(struct amqp1_frame *f, const struct amqp1_value *list,
	  const char *names)
{
	struct amqp1_items items = amqp1_items(list);
	struct amqp1_value value;

	while (*names && amqp1_next(&items, &value)) {
		size_t size = strcspn(names, " ");

		say_property(f, bytes_make(names, size), &value);
		names += size;
		names += *names == ' ';
	}
	if (items.in.failed)
		sink_incomplete(f->sink);
}

/* Values that are no text, and sequences, a line each. */
static void
say_body(struct amqp1_frame *f, struct amqp1_content *content,
	 struct amqp1_value *value)
{
	struct json_writer w;

	/* What says which section it is, is not part of it. */
	value->described = false;
	if (content->body)
		sink_body(f->sink, bytes_of("\n"));
	json_writer_init(&w, f->sink, false);
	amqp1_json(value, &w);
	json_writer_flush(&w);
}

static void
say_section(struct amqp1_frame *f, struct amqp1_content *content, uint64_t type,
	    struct bytes in)
{
	static const char *const prefixes[] = {
		[AMQP1_DELIVERY_ANNOTATIONS - AMQP1_HEADER] =
			"delivery-annotations.",
		[AMQP1_MESSAGE_ANNOTATIONS - AMQP1_HEADER] =
			"message-annotations.",
		[AMQP1_APPLICATION_PROPERTIES - AMQP1_HEADER] =
			"application-properties.",
		[AMQP1_FOOTER - AMQP1_HEADER] = "footer.",
	};
	struct amqp1_value value;
	struct reader r = reader_make(in);
	uint64_t descriptor;

	/* What describes the body's value is told with it. */
	if (type == AMQP1_VALUE)
		reader_skip(&r, amqp1_descriptor(in, &descriptor));
	if (!amqp1_read(&r, &value)) {
		sink_incomplete(f->sink);
		return;
	}
	if (type == AMQP1_HEADER)
		say_named(f, &value, header_fields);
	else if (type == AMQP1_PROPERTIES)
		say_named(f, &value, property_fields);
	else if (type >= AMQP1_DATA && type <= AMQP1_VALUE)
		say_body(f, content, &value);
	else
		amqp1_say_map(f->sink, prefixes[type - AMQP1_HEADER], &value);
}

/* What was read of a section is at hand. */
static void
take_section(struct amqp1_frame *f, struct amqp1_content *content,
	     const struct section *s, struct bytes in)
{
	bool body = s->type >= AMQP1_DATA && s->type <= AMQP1_VALUE;

	content->decoded = true;
	if (s->passed) {
		content->left = s->size;
		content->kept = s->kept && !content->secret;
		if (!content->kept)
			sink_truncated(f->sink);
	} else if (body && content->secret) {
		sink_truncated(f->sink);
	} else {
		say_section(f, content, s->type, in);
	}
	content->body |= body;
}

/* The rest of the payload cannot be read: when nothing was, it is the body. */
static struct step
pass_rest(struct amqp1_side *side, struct amqp1_content *content,
	  struct sink *sink)
{
	uint32_t left = side->left;

	if (content &&
	    (content->lost || content->decoded || content->secret)) {
		sink_incomplete(sink);
		content->lost = true;
		content = NULL;
	}
	if (!content)
		sink_channel(sink, 0, SIDE_CLIENT, false);
	side->left = 0;
	return step_skip(left);
}

/* Of a body that is passed as it is. */
static struct step
pass_contents(struct amqp1_side *side, struct amqp1_content *content,
	      struct sink *sink)
{
	uint32_t size = content->left < side->left ? (uint32_t)content->left
						   : side->left;

	content->left -= size;
	side->left -= size;
	if (!content->kept)
		sink_channel(sink, 0, SIDE_CLIENT, false);
	return step_skip(size);
}

/* Keeps `size` bytes for the next frame. */
static bool
hold(struct amqp1_content *content, struct bytes in, size_t size,
     struct sink *sink)
{
	if (!sink_keep(sink, size))
		return false;
	content->held = alloc_resize(content->held, content->held_size + size, 1);
	memcpy(content->held + content->held_size, in.data, size);
	content->held_size += size;
	return true;
}

/* A section of which the beginning came in the frame before. */
static struct step
go_on_section(struct amqp1_frame *f, struct amqp1_content *content,
	      struct bytes in)
{
	struct amqp1_side *side = &f->conn->sides[f->side];
	struct bytes held = bytes_make(content->held, content->held_size);
	struct section s = read_section(held);
	size_t size = s.need - held.size;

	if (!in.size)
		return step_more(1);
	if (size > in.size)
		size = in.size;
	if (!s.need || held.size + size > AMQP1_SECTION_HELD ||
	    !hold(content, in, size, f->sink)) {
		content->decoded = true;
		return pass_rest(side, content, f->sink);
	}
	side->left -= (uint32_t)size;
	held = bytes_make(content->held, content->held_size);
	s = read_section(held);
	if (s.need == held.size) {
		take_section(f, content, &s, held);
		amqp1_content_free(content, f->sink);
	}
	return step_done(size);
}

struct step
amqp1_payload(struct amqp1_frame *f, struct bytes in)
{
	struct amqp1_side *side = &f->conn->sides[f->side];
	struct amqp1_content *content = select_content(f, side->link);
	struct section s;

	if (!content || content->lost)
		return pass_rest(side, content, f->sink);
	if (content->left)
		return pass_contents(side, content, f->sink);
	in = bytes_first(in, side->left);
	if (content->held_size)
		return go_on_section(f, content, in);
	if (!in.size)
		return step_more(1);
	s = read_section(in);
	if (!s.need)
		return pass_rest(side, content, f->sink);
	if (in.size < s.need && s.need <= side->left)
		return step_more(s.need);
	if (in.size < s.need && in.size < side->left)
		return step_more(side->left);
	if (in.size >= s.need) {
		take_section(f, content, &s, bytes_first(in, s.need));
		side->left -= (uint32_t)s.need;
		return step_done(s.need);
	}
	/* It goes on in the next frame. */
	if (!hold(content, in, in.size, f->sink))
		return pass_rest(side, content, f->sink);
	side->left = 0;
	return step_done(in.size);
}
