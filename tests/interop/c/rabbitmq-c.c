/* Checks a broker with rabbitmq-c: PROGRAM HOST PORT CONTROL_PORT warren|rabbitmq HTTP_PORT
 *
 * Each check prints a line, and the last line sums up. The command-line tools that come with the
 * library are checked too. */
#define _GNU_SOURCE
#include <amqp.h>
#include <amqp_framing.h>
#include <amqp_tcp_socket.h>
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_SECONDS 30
#define TEXT 512

static const char *host, *broker;
static int port, control_port, passed, failed, skipped;
static char told[TEXT];
static jmp_buf out;

enum { FAILED = 1, SKIPPED = 2 };

/* Ends the check. */
static void __attribute__((format(printf, 2, 3), noreturn)) end(int how, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(told, sizeof told, format, arguments);
  va_end(arguments);
  longjmp(out, how);
}

#define that(condition, ...)                                                                       \
  do {                                                                                             \
    if (!(condition)) end(FAILED, "line " STRING(__LINE__) ": " __VA_ARGS__);                      \
  } while (0)
#define STRING(x) STRING_(x)
#define STRING_(x) #x

typedef struct {
  char text[64];
} name_t;

static name_t unique(const char *stem) {
  static int count;
  struct timespec now;
  name_t name;
  clock_gettime(CLOCK_REALTIME, &now);
  snprintf(name.text, sizeof name.text, "%s-%lx%lx-%d", stem, (long)now.tv_sec, now.tv_nsec,
           ++count);
  return name;
}

static amqp_bytes_t bytes(const char *text) { return amqp_cstring_bytes(text); }

/* The code of the last reply: 0 if all is well, -1 if the connection broke. */
static int code_of(amqp_rpc_reply_t reply, char *text) {
  text[0] = 0;
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return 0;
  if (reply.reply_type != AMQP_RESPONSE_SERVER_EXCEPTION) {
    snprintf(text, TEXT, "%s", amqp_error_string2(reply.library_error));
    return -1;
  }
  if (reply.reply.id == AMQP_CHANNEL_CLOSE_METHOD) {
    amqp_channel_close_t *close = reply.reply.decoded;
    snprintf(text, TEXT, "%.*s", (int)close->reply_text.len, (char *)close->reply_text.bytes);
    return close->reply_code;
  }
  if (reply.reply.id == AMQP_CONNECTION_CLOSE_METHOD) {
    amqp_connection_close_t *close = reply.reply.decoded;
    snprintf(text, TEXT, "%.*s", (int)close->reply_text.len, (char *)close->reply_text.bytes);
    return close->reply_code;
  }
  return -1;
}

static void well(amqp_connection_state_t it, const char *what) {
  char text[TEXT];
  int code = code_of(amqp_get_rpc_reply(it), text);
  if (code) end(FAILED, "%s: %d %s", what, code, text);
}

static void is(int status, const char *what) {
  if (status) end(FAILED, "%s: %s", what, amqp_error_string2(status));
}

static void closes(amqp_connection_state_t it, int code, const char *start) {
  char text[TEXT];
  int found = code_of(amqp_get_rpc_reply(it), text);
  that(found == code && !strncmp(text, start, strlen(start)), "%d %s", found, text);
}

static amqp_rpc_reply_t try_login(amqp_connection_state_t it, const char *vhost, const char *key,
                                  int frame_max) {
  amqp_socket_t *socket = amqp_tcp_socket_new(it);
  struct timeval limit = {PATIENCE_SECONDS, 0};
  is(amqp_socket_open_noblock(socket, host, port, &limit), "open a socket");
  amqp_set_rpc_timeout(it, &limit);
  amqp_table_entry_t capability[2], client[1];
  capability[0].key = bytes("authentication_failure_close");
  capability[1].key = bytes("consumer_cancel_notify");
  for (int n = 0; n < 2; n++) {
    capability[n].value.kind = AMQP_FIELD_KIND_BOOLEAN;
    capability[n].value.value.boolean = 1;
  }
  client[0].key = bytes("capabilities");
  client[0].value.kind = AMQP_FIELD_KIND_TABLE;
  client[0].value.value.table.num_entries = 2;
  client[0].value.value.table.entries = capability;
  amqp_table_t properties = {1, client};
  return amqp_login_with_properties(it, vhost, 0, frame_max, 0, &properties,
                                    AMQP_SASL_METHOD_PLAIN, "guest", key);
}

static amqp_connection_state_t connect_with(int frame_max) {
  char text[TEXT];
  amqp_connection_state_t it = amqp_new_connection();
  int code = code_of(try_login(it, "/", "guest", frame_max), text);
  if (code) end(FAILED, "log in: %d %s", code, text);
  amqp_channel_open(it, 1);
  well(it, "open a channel");
  return it;
}

static amqp_connection_state_t connected(void) { return connect_with(131072); }

static void disconnect(amqp_connection_state_t it) {
  amqp_connection_close(it, AMQP_REPLY_SUCCESS);
  amqp_destroy_connection(it);
}

static amqp_table_entry_t number(const char *key, int value) {
  amqp_table_entry_t entry = {bytes(key), {AMQP_FIELD_KIND_I32, {.i32 = value}}};
  return entry;
}

static amqp_table_entry_t string(const char *key, const char *value) {
  amqp_table_entry_t entry = {bytes(key), {AMQP_FIELD_KIND_UTF8, {.bytes = bytes(value)}}};
  return entry;
}

static name_t queue(amqp_connection_state_t it, int count, amqp_table_entry_t *entries) {
  name_t name = unique("c");
  amqp_table_t arguments = {count, entries};
  amqp_queue_declare(it, 1, bytes(name.text), 0, 0, 1, 0, arguments);
  well(it, "declare a queue");
  return name;
}

static void publish(amqp_connection_state_t it, const char *exchange, const char *key,
                    const char *body, const amqp_basic_properties_t *properties) {
  is(amqp_basic_publish(it, 1, bytes(exchange), bytes(key), 0, 0, properties, bytes(body)),
     "publish");
}

/* Whether a message was there; its body goes to `body`. */
static int get(amqp_connection_state_t it, const char *queue, char *body, size_t room,
               uint64_t *tag) {
  amqp_rpc_reply_t reply = amqp_basic_get(it, 1, bytes(queue), tag == NULL);
  that(reply.reply_type == AMQP_RESPONSE_NORMAL, "get");
  if (reply.reply.id == AMQP_BASIC_GET_EMPTY_METHOD) return 0;
  if (tag) *tag = ((amqp_basic_get_ok_t *)reply.reply.decoded)->delivery_tag;
  amqp_message_t message;
  reply = amqp_read_message(it, 1, &message, 0);
  that(reply.reply_type == AMQP_RESPONSE_NORMAL, "read a message");
  snprintf(body, room, "%.*s", (int)message.body.len, (char *)message.body.bytes);
  amqp_destroy_message(&message);
  return 1;
}

static void next_is(amqp_connection_state_t it, const char *queue, const char *expected) {
  char body[TEXT];
  for (int turn = 0; turn < PATIENCE_SECONDS * 50; turn++) {
    if (get(it, queue, body, sizeof body, NULL)) {
      that(!strcmp(body, expected), "found %s, expected %s", body, expected);
      amqp_maybe_release_buffers(it);
      return;
    }
    usleep(20000);
  }
  end(FAILED, "%s did not come", expected);
}

/* Waits for a method from the server on channel 1. */
static amqp_frame_t method(amqp_connection_state_t it, amqp_method_number_t id) {
  struct timeval limit = {PATIENCE_SECONDS, 0};
  amqp_frame_t frame;
  do {
    is(amqp_simple_wait_frame_noblock(it, &frame, &limit), "wait for a method");
  } while (frame.frame_type != AMQP_FRAME_METHOD);
  that(frame.payload.method.id == id, "method %x came", frame.payload.method.id);
  return frame;
}

/* Asks the harness for restart, kill, block or unblock of the broker. */
static void control(const char *command) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(control_port)};
  inet_pton(AF_INET, host, &address.sin_addr);
  int stream = socket(AF_INET, SOCK_STREAM, 0);
  that(!connect(stream, (struct sockaddr *)&address, sizeof address), "no harness");
  char answer[TEXT] = "";
  that(dprintf(stream, "%s\n", command) > 0, "the harness does not hear");
  ssize_t length = read(stream, answer, sizeof answer - 1);
  close(stream);
  answer[length > 0 ? length : 0] = 0;
  if (!strcmp(answer, "unavailable\n")) end(SKIPPED, "the harness cannot do it here");
  that(!strcmp(answer, "ok\n"), "%s", answer);
}

static void refused(void) {
  char text[TEXT];
  amqp_connection_state_t it = amqp_new_connection();
  int code = code_of(try_login(it, "/", "wrong", 131072), text);
  that(code == 403 && strstr(text, "Login was refused using authentication mechanism PLAIN"),
       "%d %s", code, text);
  amqp_destroy_connection(it);
  it = amqp_new_connection();
  code = code_of(try_login(it, "missing", "guest", 131072), text);
  that(code == 530 && !strcmp(text, "NOT_ALLOWED - vhost missing not found"), "%d %s", code, text);
  amqp_destroy_connection(it);
}

static void small_frames(void) {
  amqp_connection_state_t it = connect_with(4096);
  that(amqp_get_frame_max(it) == 4096, "frames of %d", amqp_get_frame_max(it));
  name_t name = queue(it, 0, NULL);
  char *body = malloc(100001);
  memset(body, 'x', 100000);
  body[100000] = 0;
  publish(it, "", name.text, body, NULL);
  char *found = malloc(200000);
  for (int turn = 0; !get(it, name.text, found, 200000, NULL); turn++) {
    that(turn < PATIENCE_SECONDS * 50, "it did not come");
    usleep(20000);
  }
  that(!strcmp(body, found), "another body came");
  free(body);
  free(found);
  disconnect(it);
}

static void exchanges(void) {
  amqp_connection_state_t it = connected();
  const char *kinds[] = {"direct", "fanout", "topic", "headers"};
  for (int n = 0; n < 4; n++) {
    name_t source = unique(kinds[n]), inner = unique("inner"), target = queue(it, 0, NULL);
    amqp_table_entry_t entry[] = {number("n", 1), string("x-match", "all")};
    amqp_table_t match = {2, entry}, headers = {1, entry};
    amqp_exchange_declare(it, 1, bytes(source.text), bytes(kinds[n]), 0, 0, 1, 0,
                          amqp_empty_table);
    amqp_exchange_declare(it, 1, bytes(inner.text), bytes("fanout"), 0, 0, 1, 0, amqp_empty_table);
    amqp_exchange_bind(it, 1, bytes(inner.text), bytes(source.text), bytes("a.b"), match);
    amqp_queue_bind(it, 1, bytes(target.text), bytes(inner.text), bytes(""), amqp_empty_table);
    well(it, "bind");
    amqp_basic_properties_t properties = {._flags = AMQP_BASIC_HEADERS_FLAG, .headers = headers};
    publish(it, source.text, "a.b", kinds[n], &properties);
    next_is(it, target.text, kinds[n]);
    amqp_exchange_unbind(it, 1, bytes(inner.text), bytes(source.text), bytes("a.b"), match);
    well(it, "unbind");
  }
  disconnect(it);
}

static void confirms(void) {
  amqp_connection_state_t it = connected();
  amqp_table_entry_t arguments[] = {number("x-max-length", 1),
                                    string("x-overflow", "reject-publish")};
  name_t name = queue(it, 2, arguments);
  amqp_confirm_select(it, 1);
  well(it, "confirm.select");
  publish(it, "", name.text, "first", NULL);
  method(it, AMQP_BASIC_ACK_METHOD);
  publish(it, "", name.text, "second", NULL);
  method(it, AMQP_BASIC_NACK_METHOD);
  is(amqp_basic_publish(it, 1, bytes("amq.direct"), bytes("nobody"), 1, 0, NULL, bytes("back")),
     "publish");
  amqp_frame_t frame = method(it, AMQP_BASIC_RETURN_METHOD);
  amqp_basic_return_t *returned = frame.payload.method.decoded;
  that(returned->reply_code == 312, "code %d", returned->reply_code);
  amqp_message_t message;
  that(amqp_read_message(it, 1, &message, 0).reply_type == AMQP_RESPONSE_NORMAL, "read it");
  amqp_destroy_message(&message);
  method(it, AMQP_BASIC_ACK_METHOD);
  disconnect(it);
}

static void transactions(void) {
  amqp_connection_state_t it = connected();
  name_t name = queue(it, 0, NULL);
  amqp_tx_select(it, 1);
  well(it, "tx.select");
  publish(it, "", name.text, "lost", NULL);
  amqp_tx_rollback(it, 1);
  publish(it, "", name.text, "kept", NULL);
  amqp_tx_commit(it, 1);
  well(it, "tx.commit");
  next_is(it, name.text, "kept");
  disconnect(it);
}

/* The next delivery of a consumer. */
static amqp_envelope_t delivery(amqp_connection_state_t it) {
  struct timeval limit = {PATIENCE_SECONDS, 0};
  amqp_envelope_t envelope;
  amqp_maybe_release_buffers(it);
  amqp_rpc_reply_t reply = amqp_consume_message(it, &envelope, &limit, 0);
  that(reply.reply_type == AMQP_RESPONSE_NORMAL, "no delivery came");
  return envelope;
}

static void consume(void) {
  enum { COUNT = 100 };
  amqp_connection_state_t it = connected();
  name_t name = queue(it, 0, NULL);
  amqp_basic_qos(it, 1, 0, 10, 0);
  amqp_basic_consume(it, 1, bytes(name.text), bytes("tag"), 0, 0, 0, amqp_empty_table);
  well(it, "consume");
  for (int n = 0; n < COUNT; n++) publish(it, "", name.text, "x", NULL);
  amqp_envelope_t first = delivery(it);
  that(!first.redelivered, "the first is marked");
  is(amqp_basic_nack(it, 1, first.delivery_tag, 0, 1), "put back");
  amqp_destroy_envelope(&first);
  int redelivered = 0;
  for (int n = 0; n < COUNT; n++) {
    amqp_envelope_t envelope = delivery(it);
    redelivered += envelope.redelivered;
    is(amqp_basic_ack(it, 1, envelope.delivery_tag, 0), "acknowledge");
    amqp_destroy_envelope(&envelope);
  }
  that(redelivered == 1, "%d are marked", redelivered);
  disconnect(it);
}

static void cancelled(void) {
  amqp_connection_state_t it = connected();
  name_t name = queue(it, 0, NULL);
  amqp_basic_consume(it, 1, bytes(name.text), bytes("tag"), 0, 1, 0, amqp_empty_table);
  well(it, "consume");
  amqp_queue_delete(it, 1, bytes(name.text), 0, 0);
  well(it, "delete");
  amqp_frame_t frame = method(it, AMQP_BASIC_CANCEL_METHOD);
  amqp_basic_cancel_t *cancel = frame.payload.method.decoded;
  that(cancel->consumer_tag.len == 3, "another tag");
  disconnect(it);
}

static void arguments(void) {
  amqp_connection_state_t it = connected();
  name_t dead = queue(it, 0, NULL);
  amqp_table_entry_t entries[] = {string("x-dead-letter-exchange", ""),
                                  string("x-dead-letter-routing-key", dead.text),
                                  number("x-max-length", 2), number("x-max-priority", 5)};
  name_t name = queue(it, 4, entries);
  amqp_basic_properties_t brief = {._flags = AMQP_BASIC_EXPIRATION_FLAG, .expiration = bytes("10")};
  publish(it, "", name.text, "expired", &brief);
  next_is(it, dead.text, "expired");
  amqp_basic_properties_t high = {._flags = AMQP_BASIC_PRIORITY_FLAG, .priority = 5};
  publish(it, "", name.text, "low", NULL);
  publish(it, "", name.text, "high", &high);
  next_is(it, name.text, "high");
  uint64_t tag;
  char body[TEXT];
  that(get(it, name.text, body, sizeof body, &tag) && !strcmp(body, "low"), "%s", body);
  is(amqp_basic_reject(it, 1, tag, 0), "reject");
  next_is(it, dead.text, "low");
  disconnect(it);
}

static void errors(void) {
  amqp_connection_state_t it = connected();
  amqp_queue_declare(it, 1, bytes("none"), 1, 0, 0, 0, amqp_empty_table);
  closes(it, 404, "NOT_FOUND - no queue 'none' in vhost '/'");
  amqp_channel_open(it, 2);
  amqp_exchange_declare(it, 2, bytes("amq.x"), bytes("direct"), 0, 0, 0, 0, amqp_empty_table);
  closes(it, 403, "ACCESS_REFUSED - exchange name 'amq.x' contains reserved prefix 'amq.*'");
  amqp_channel_open(it, 3);
  amqp_tx_commit(it, 3);
  closes(it, 406, "PRECONDITION_FAILED - channel is not transactional");
  amqp_channel_open(it, 4);
  amqp_basic_qos(it, 4, 1, 0, 0);
  closes(it, 540, "NOT_IMPLEMENTED - prefetch_size!=0 (1)");
  amqp_destroy_connection(it);
}

static void virtual_topic(void) {
  if (strcmp(broker, "warren")) end(SKIPPED, "only warren has it");
  amqp_connection_state_t it = connected();
  const char *queues[] = {"Consumer.A.VirtualTopic.C", "Consumer.B.VirtualTopic.*"};
  for (int n = 0; n < 2; n++) {
    amqp_queue_declare(it, 1, bytes(queues[n]), 0, 0, 0, 1, amqp_empty_table);
    well(it, "declare");
  }
  publish(it, "amq.virtual-topic", "VirtualTopic.C", "x", NULL);
  for (int n = 0; n < 2; n++) {
    next_is(it, queues[n], "x");
    amqp_queue_delete(it, 1, bytes(queues[n]), 0, 0);
  }
  disconnect(it);
}

static void survives(const char *command) {
  amqp_connection_state_t it = connected();
  name_t name = unique("durable");
  amqp_queue_declare(it, 1, bytes(name.text), 0, 1, 0, 0, amqp_empty_table);
  amqp_confirm_select(it, 1);
  well(it, "prepare");
  amqp_basic_properties_t kept = {._flags = AMQP_BASIC_DELIVERY_MODE_FLAG, .delivery_mode = 2};
  char text[16];
  for (int n = 0; n < 20; n++) {
    snprintf(text, sizeof text, "%d", n);
    publish(it, "", name.text, text, &kept);
    method(it, AMQP_BASIC_ACK_METHOD);
  }
  control(command);
  amqp_destroy_connection(it);
  it = connected();
  for (int n = 0; n < 20; n++) {
    snprintf(text, sizeof text, "%d", n);
    next_is(it, name.text, text);
  }
  amqp_queue_delete(it, 1, bytes(name.text), 0, 0);
  well(it, "delete");
  disconnect(it);
}

static void restart(void) { survives("restart"); }
static void killed(void) { survives("kill"); }

/* Runs a command of the shell and compares what it prints. */
static void prints(const char *expected, const char *format, ...) {
  char command[1024], found[TEXT];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(command, sizeof command, format, arguments);
  va_end(arguments);
  FILE *pipe = popen(command, "r");
  that(pipe, "no shell");
  size_t length = fread(found, 1, sizeof found - 1, pipe);
  found[length] = 0;
  that(!pclose(pipe), "%s failed", command);
  that(!strcmp(found, expected), "%s printed %s", command, found);
}

static void tools(void) {
  char at[64], expected[TEXT];
  snprintf(at, sizeof at, "--server=%s --port=%d", host, port);
  name_t name = unique("tools");
  snprintf(expected, sizeof expected, "%s\n", name.text);
  prints(expected, "amqp-declare-queue %s -d -q %s", at, name.text);
  prints("", "amqp-publish %s -r %s -p -b 'one two'", at, name.text);
  prints("one two", "amqp-get %s -q %s", at, name.text);
  prints("", "seq 3 | amqp-publish %s -r %s -l", at, name.text);
  prints("1\n2\n3\n", "amqp-consume %s -q %s -c 3 -p 1 cat", at, name.text);
  prints("0\n", "amqp-delete-queue %s -q %s", at, name.text);
}

static void run(const char *name, void (*check)(void)) {
  switch (setjmp(out)) {
    case 0:
      check();
      passed++;
      printf("ok: %s\n", name);
      break;
    case SKIPPED:
      skipped++;
      printf("skipped: %s: %s\n", name, told);
      break;
    default:
      failed++;
      printf("FAILED: %s: %s\n", name, told);
  }
  fflush(stdout);
}

int main(int count, char **words) {
  if (count != 6) {
    fprintf(stderr, "usage: %s HOST PORT CONTROL_PORT warren|rabbitmq HTTP_PORT\n", words[0]);
    return 2;
  }
  host = words[1];
  port = atoi(words[2]);
  control_port = atoi(words[3]);
  broker = words[4];
  run("a wrong password and a missing virtual host are told", refused);
  run("frames of 4096 bytes carry large bodies", small_frames);
  run("exchanges of all kinds, also bound to each other", exchanges);
  run("confirms, a full queue's nack, a return", confirms);
  run("transactions commit and roll back", transactions);
  run("a consumer with prefetch puts one back", consume);
  run("the server cancels the consumer of a deleted queue", cancelled);
  run("expiry, priorities, lengths and dead letters by arguments", arguments);
  run("errors have RabbitMQ's codes and texts", errors);
  run("a virtual topic gives each group one copy", virtual_topic);
  run("amqp-declare-queue, -publish, -get, -consume, -delete-queue", tools);
  run("confirmed messages outlive a restart", restart);
  run("confirmed messages outlive kill -9", killed);
  printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
  return failed || !passed;
}
