/* SPDX-License-Identifier: Apache-2.0 */
/*
 * syslog: RFC 5424 and RFC 3164 over UDP (RFC 5426) and TCP (RFC 6587).  Every
 * message is a call.  See syslog.md.
 */
#include <stdio.h>

#include "dissect/proto/attribute.h"
#include "dissect/registry.h"

/* RFC 6587 has no limit; longer ones are none. */
#define MESSAGE_LIMIT (64u << 10)
/* Of those that end with a line, which are looked through again and again. */
#define LINE_LIMIT (16u << 10)
#define PROBE_LIMIT 1024
#define WORD_LIMIT 255
#define PARAMETERS_SHOWN 256

static const char *const severities[] = { "emergency", "alert",	 "critical",
					  "error",     "warning", "notice",
					  "informational", "debug" };

static const char *const facilities[] = {
	"kern",	  "user",   "mail",   "daemon", "auth",	  "syslog",
	"lpr",	  "news",   "uucp",   "cron",	"authpriv", "ftp",
	"ntp",	  "security", "console", "solaris-cron", "local0", "local1",
	"local2", "local3", "local4", "local5", "local6", "local7",
};

struct syslog {
	unsigned priority;
	bool modern;             /* RFC 5424 */
	bool dated;              /* it has the timestamp of either */
	struct bytes time, host, app, process, id, data, text;
};

/* A word up to a blank, which is taken too. */
static struct bytes
take_word(struct bytes *in)
{
	const uint8_t *blank =
		in->size ? memchr(in->data, ' ', in->size) : NULL;
	size_t size = blank ? (size_t)(blank - in->data) : in->size;
	struct bytes word = bytes_first(*in, size);

	*in = bytes_from(*in, size + (blank != NULL));
	return word;
}

/* "<165>": false when it is none; takes it. */
static bool
take_priority(struct bytes *in, unsigned *priority)
{
	size_t i = 1;

	*priority = 0;
	if (in->size < 3 || in->data[0] != '<')
		return false;
	for (; i < in->size && i <= 3 && in->data[i] >= '0' &&
	       in->data[i] <= '9';
	     i++)
		*priority = *priority * 10 + in->data[i] - '0';
	if (i == 1 || i >= in->size || in->data[i] != '>' || *priority > 191 ||
	    (i > 2 && in->data[1] == '0'))
		return false;
	*in = bytes_from(*in, i + 1);
	return true;
}

/* Digits, and the others as they are: "dddd-dd-ddTdd:dd:dd". */
static bool
has_shape(struct bytes in, const char *shape)
{
	size_t size = strlen(shape);

	if (in.size < size)
		return false;
	for (size_t i = 0; i < size; i++) {
		uint8_t c = in.data[i];

		if (shape[i] == 'd' ? c < '0' || c > '9'
		    : shape[i] == 'b'
			    ? c != ' ' && (c < '0' || c > '9')
			    : c != (uint8_t)shape[i])
			return false;
	}
	return true;
}

/* "Oct 11 22:14:15 " (RFC 3164 §4.1.2). */
static bool
is_old_time(struct bytes in)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

	if (in.size < 16 || !has_shape(bytes_from(in, 3), " bd dd:dd:dd "))
		return false;
	for (size_t i = 0; i < 36; i += 3)
		if (memcmp(months + i, in.data, 3) == 0)
			return true;
	return false;
}

static bool
is_new_time(struct bytes word)
{
	return (word.size == 1 && word.data[0] == '-') ||
	       (word.size >= 20 && word.size <= 32 &&
		has_shape(word, "dddd-dd-ddTdd:dd:dd"));
}

/* RFC 5424 §6.3: elements in brackets, or "-"; false when malformed. */
static bool
take_data(struct bytes *in, struct bytes *data)
{
	size_t i = 0;
	bool quoted = false;

	if (in->size && in->data[0] == '-') {
		*data = bytes_make(NULL, 0);
		*in = bytes_from(*in, 1);
	} else {
		while (i < in->size && in->data[i] == '[') {
			for (i++; i < in->size &&
				  (quoted || in->data[i] != ']');
			     i++) {
				if (quoted && in->data[i] == '\\')
					i++;
				else if (in->data[i] == '"')
					quoted = !quoted;
			}
			if (i >= in->size)
				return false;
			i++;
		}
		if (!i)
			return false;
		*data = bytes_first(*in, i);
		*in = bytes_from(*in, i);
	}
	if (in->size && in->data[0] != ' ')
		return false;
	*in = bytes_from(*in, 1);
	return true;
}

static struct bytes
present(struct bytes word)
{
	return word.size == 1 && word.data[0] == '-' ? bytes_make(NULL, 0)
						     : word;
}

/* False: the header is not that of RFC 5424. */
static bool
read_modern(struct syslog *m, struct bytes in)
{
	struct bytes version = take_word(&in);

	if (version.size != 1 || version.data[0] != '1')
		return false;
	m->time = take_word(&in);
	m->host = take_word(&in);
	m->app = take_word(&in);
	m->process = take_word(&in);
	m->id = take_word(&in);
	if (!is_new_time(m->time) || !m->host.size || m->host.size > WORD_LIMIT ||
	    !m->app.size || m->app.size > 48 || !m->process.size ||
	    m->process.size > 128 || !m->id.size || m->id.size > 32)
		return false;
	if (!take_data(&in, &m->data))
		return false;
	if (bytes_starts_with(in, "\xef\xbb\xbf"))
		in = bytes_from(in, 3);
	m->time = present(m->time);
	m->host = present(m->host);
	m->app = present(m->app);
	m->process = present(m->process);
	m->id = present(m->id);
	m->text = in;
	m->modern = m->dated = true;
	return true;
}

/* "sshd[123]: text": the tag ends at what is not of a name. */
static void
read_tag(struct syslog *m, struct bytes in)
{
	size_t i = 0, end;

	while (i < in.size && i < 48 && in.data[i] > ' ' && in.data[i] != ':' &&
	       in.data[i] != '[')
		i++;
	end = i;
	if (i < in.size && in.data[i] == '[') {
		const uint8_t *close = memchr(
			in.data + i, ']', bytes_first(bytes_from(in, i),
						      24).size);

		if (close) {
			m->process = bytes_make(in.data + i + 1,
						(size_t)(close - in.data) - i -
							1);
			end = (size_t)(close - in.data) + 1;
		}
	}
	if (i && end < in.size && in.data[end] == ':') {
		m->app = bytes_first(in, i);
		in = bytes_from(in, end + 1);
		if (in.size && in.data[0] == ' ')
			in = bytes_from(in, 1);
	} else {
		m->process = bytes_make(NULL, 0);
	}
	m->text = in;
}

/* RFC 3164 §4.1; what does not follow it is all text. */
static void
read_old(struct syslog *m, struct bytes in)
{
	m->text = in;
	if (is_old_time(in)) {
		m->dated = true;
		m->time = bytes_first(in, 15);
		in = bytes_from(in, 16);
		m->text = in;
	} else if (in.size >= 20 && has_shape(in, "dddd-dd-ddTdd:dd:dd")) {
		/* As rsyslog writes it. */
		m->time = take_word(&in);
		m->dated = is_new_time(m->time);
	} else {
		read_tag(m, in);
		return;
	}
	/* A word that is no tag is the host. */
	for (size_t i = 0; i < in.size && i < WORD_LIMIT; i++) {
		if (in.data[i] == ' ') {
			m->host = take_word(&in);
			break;
		}
		if (in.data[i] == '[' ||
		    (in.data[i] == ':' && i + 1 < in.size &&
		     in.data[i + 1] == ' '))
			break;
	}
	read_tag(m, in);
}

static bool
read_message(struct syslog *m, struct bytes in)
{
	*m = (struct syslog){ .priority = 0 };
	if (!take_priority(&in, &m->priority))
		return false;
	if (!read_modern(m, in)) {
		unsigned priority = m->priority;

		*m = (struct syslog){ .priority = priority };
		read_old(m, in);
	}
	return true;
}

/* Framing. */

/* "123 " in front of a message of TCP; 0: none, ends at a line end. */
static size_t
counted(struct bytes in, size_t *head)
{
	size_t size = 0, i = 0;

	while (i < in.size && i < 5 && in.data[i] >= '0' && in.data[i] <= '9')
		size = size * 10 + in.data[i++] - '0';
	if (!i || in.data[0] == '0' || i >= in.size || in.data[i] != ' ')
		return 0;
	*head = i + 1;
	return size;
}

/* The octets that are a line end, or NUL as some end theirs. */
static const uint8_t *
line_end(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (in.data[i] == '\n' || in.data[i] == 0)
			return in.data + i;
	return NULL;
}

static bool
is_text(struct bytes in)
{
	for (size_t i = 0; i < in.size; i++)
		if (in.data[i] < ' ' && in.data[i] != '\t' &&
		    in.data[i] != '\n' && in.data[i] != '\r' &&
		    (in.data[i] || i + 1 < in.size))
			return false;
	return true;
}

static enum verdict
probe_datagram(struct bytes in)
{
	struct syslog m;

	if (!is_text(bytes_first(in, PROBE_LIMIT)) || !read_message(&m, in))
		return VERDICT_NO;
	return m.dated ? VERDICT_YES : VERDICT_MAYBE;
}

/* The first bytes of a connection. */
static enum verdict
probe_stream(struct bytes in)
{
	size_t head = 0, size = counted(in, &head);
	struct syslog m;
	bool whole;

	if (in.size < 6 && (in.data[0] == '<' ||
			    (in.data[0] >= '1' && in.data[0] <= '9')))
		return VERDICT_MAYBE;
	if (size > MESSAGE_LIMIT)
		return VERDICT_NO;
	in = bytes_from(in, head);
	whole = (size ? in.size >= size : line_end(in) != NULL) ||
		in.size >= PROBE_LIMIT;
	if (size)
		in = bytes_first(in, size);
	/* A date says enough: the only line may have no end. */
	if (is_text(bytes_first(in, PROBE_LIMIT)) && read_message(&m, in) &&
	    m.dated)
		return VERDICT_YES;
	return whole || (in.size && in.data[0] != '<') ? VERDICT_NO
						       : VERDICT_MAYBE;
}

static enum verdict
probe(enum transport transport, struct bytes client, struct bytes server)
{
	if (transport == TRANSPORT_UDP)
		return probe_datagram(client.size ? client : server);
	/* Servers say nothing. */
	return client.size ? probe_stream(client) : VERDICT_NO;
}

/* Saying. */

static void
say(struct sink *sink, const char *name, struct bytes value)
{
	if (value.size)
		sink_header(sink, bytes_of(name), bytes_first(value, 1024));
}

/* The elements and parameters of structured data, as headers. */
static void
say_data(struct sink *sink, struct bytes data)
{
	struct bytes element = { NULL, 0 };
	char name[2 * 48 + 2];
	size_t i = 0;

	for (unsigned n = 0; n < PARAMETERS_SHOWN && i < data.size; n++) {
		size_t from;
		struct bytes key;

		while (i < data.size && (data.data[i] == ' ' ||
					 data.data[i] == ']'))
			i++;
		if (i < data.size && data.data[i] == '[') {
			from = ++i;
			while (i < data.size && data.data[i] != ' ' &&
			       data.data[i] != ']')
				i++;
			element = bytes_make(data.data + from, i - from);
			continue;
		}
		from = i;
		while (i < data.size && data.data[i] != '=')
			i++;
		key = bytes_make(data.data + from, i - from);
		i += 2;
		from = i;
		while (i < data.size && data.data[i] != '"')
			i += data.data[i] == '\\' ? 2 : 1;
		if (i >= data.size)
			return;
		snprintf(name, sizeof(name), "%.*s.%.*s",
			 (int)bytes_first(element, 48).size,
			 element.size ? (const char *)element.data : "",
			 (int)bytes_first(key, 48).size,
			 key.size ? (const char *)key.data : "");
		say(sink, name, bytes_make(data.data + from, i - from));
		i++;
	}
}

static void
say_message(struct sink *sink, const struct syslog *m, size_t consumed)
{
	unsigned severity = m->priority % 8, facility = m->priority / 8;
	struct bytes text = m->text;

	while (text.size && (text.data[text.size - 1] == '\n' ||
			     text.data[text.size - 1] == '\r' ||
			     text.data[text.size - 1] == 0))
		text.size--;
	sink_begin(sink);
	sink_flags(sink, MESSAGE_NO_RESPONSE);
	sink_field(sink, FIELD_METHOD, bytes_of(severities[severity]));
	sink_field(sink, FIELD_HOST, bytes_first(m->host, WORD_LIMIT));
	sink_field(sink, FIELD_PATH, bytes_first(m->app, WORD_LIMIT));
	sink_field(sink, FIELD_VERSION,
		   bytes_of(m->modern ? "RFC 5424" : "RFC 3164"));
	sink_status(sink, (int32_t)severity);
	sink_field(sink, FIELD_STATUS_TEXT, bytes_of(severities[severity]));
	sink_header(sink, bytes_of("facility"), bytes_of(facilities[facility]));
	say(sink, "timestamp", m->time);
	say(sink, "process", m->process);
	say(sink, "message-id", m->id);
	say_data(sink, m->data);
	sink_body(sink, text);
	attribute_field(sink, FIELD_SUMMARY, "%.*s%s%.*s",
			(int)bytes_first(m->app, 64).size,
			m->app.size ? (const char *)m->app.data : "",
			m->app.size ? ": " : "",
			(int)bytes_first(text, 300).size,
			text.size ? (const char *)text.data : "");
	if (severity <= 3) {
		sink_flags(sink, MESSAGE_IS_ERROR);
		sink_field(sink, FIELD_ERROR, bytes_first(text, 300));
	}
	sink_end(sink, consumed);
}

static struct step
feed_stream(struct bytes in, struct sink *sink)
{
	size_t head = 0, size = counted(in, &head), total;
	const uint8_t *end;
	struct syslog m;

	if (in.size && in.data[0] >= '1' && in.data[0] <= '9' && in.size < 7)
		return step_more(7);
	if (!size) {
		end = line_end(in);
		if (!end)
			return in.size > LINE_LIMIT ? step_bad()
						       : step_more(in.size + 1);
		size = (size_t)(end - in.data);
		total = size + 1;
	} else {
		total = head + size;
	}
	if (size > MESSAGE_LIMIT)
		return step_bad();
	if (in.size < total)
		return step_more(total);
	if (!size)
		return step_done(1); /* an empty line */
	if (!read_message(&m, bytes_first(bytes_from(in, head), size)))
		return step_bad();
	say_message(sink, &m, total);
	return step_done(total);
}

static struct step
feed(void *conn, enum side side, struct bytes in, struct sink *sink)
{
	struct syslog m;

	(void)conn;
	(void)side;
	if (sink_transport(sink) == TRANSPORT_TCP)
		return feed_stream(in, sink);
	if (!read_message(&m, in))
		return step_bad();
	say_message(sink, &m, in.size);
	return step_done(in.size);
}

static bool
gap(void *conn, enum side side, struct bytes pending, uint64_t missing,
    struct sink *sink)
{
	(void)conn;
	(void)side;
	(void)pending;
	(void)missing;
	(void)sink;
	return false;
}

/* A last line without its end is one (rsyslog closes so). */
static void
finish(void *conn, enum side side, struct bytes pending, bool clean,
       struct sink *sink)
{
	size_t head = 0;
	struct syslog m;

	(void)conn;
	(void)side;
	if (clean && pending.size && !counted(pending, &head) &&
	    read_message(&m, pending))
		say_message(sink, &m, pending.size);
}

static const uint16_t ports[] = { 514, 601, 0 };

const struct dissector dissector_syslog = {
	.name = "syslog",
	.title = "syslog",
	.ports = ports,
	.transport = TRANSPORT_BOTH,
	.pairing = PAIR_NONE,
	.probe = probe,
	.feed = feed,
	.gap = gap,
	.finish = finish,
};
