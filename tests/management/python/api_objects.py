"""Queues, exchanges and bindings: made, looked at, made otherwise, and deleted."""

from api_base import (
    EMPTY,
    NOT_FOUND,
    REFUSED,
    Named,
    bad,
    case,
    contains,
    done,
    equal,
    get,
    has,
    prepared,
    starts,
    step,
)

V = "/queues/objects"
X = "/exchanges/objects"
B = "/bindings/objects"

# Queues.

prepared("PUT /vhosts/objects")
case("a queue is created", f"PUT {V}/q", {"durable": True}, (201, EMPTY))
case("a queue is there already", f"PUT {V}/q", {"durable": True}, (204, EMPTY))
case(
    "a queue is there, and is not durable",
    f"PUT {V}/q",
    {"durable": False},
    (
        400,
        bad(
            "inequivalent arg 'durable' for queue 'q' in vhost 'objects': "
            "received 'false' but current is 'true'"
        ),
    ),
)
case(
    "a queue is there without an argument",
    f"PUT {V}/q",
    {"durable": True, "arguments": {"x-message-ttl": 1000}},
    (
        400,
        bad(
            "inequivalent arg 'x-message-ttl' for queue 'q' in vhost 'objects': "
            "received the value '1000' of type 'long' but current is none"
        ),
    ),
)
case(
    "a queue is there with auto_delete otherwise",
    f"PUT {V}/q",
    {"durable": True, "auto_delete": True},
    (
        400,
        bad(
            "inequivalent arg 'auto_delete' for queue 'q' in vhost 'objects': "
            "received 'true' but current is 'false'"
        ),
    ),
)
case("a queue without a body", f"PUT {V}/nobody", None, (201, EMPTY))
case("a queue of an empty object", f"PUT {V}/object", {}, (201, EMPTY))
case("truth values may be strings", f"PUT {V}/string", {"durable": "true"}, (201, EMPTY))
case("the string was understood", f"GET {V}/string", None, (200, has(durable=True)))
case("other strings may not", f"PUT {V}/other", {"durable": "yes"}, (400, has(error="bad_request")))
case("an empty list of arguments", f"PUT {V}/list", {"arguments": []}, (201, EMPTY))
case("unknown members are ignored", f"PUT {V}/more", {"color": "red", "name": "x"}, (201, EMPTY))
case("the name in the path counts", f"GET {V}/more", None, (200, has(name="more", vhost="objects")))
case("a queue in no vhost", "PUT /queues/nowhere/q", {}, NOT_FOUND)
case("a queue that is not there", f"GET {V}/none", None, NOT_FOUND)
case("queues of a vhost that is not there", "GET /queues/nowhere", None, NOT_FOUND)
case(
    "a queue with a reserved name",
    f"PUT {V}/amq.mine",
    {},
    REFUSED,
    (400, bad(starts("queue name 'amq.mine'"))),
)
for member, value, reason in [
    ("x-message-ttl", -1, "invalid arg 'x-message-ttl' for queue 'bad' in vhost 'objects'"),
    ("x-message-ttl", "1000", "invalid arg 'x-message-ttl'"),
    ("x-expires", 0, "invalid arg 'x-expires'"),
    ("x-max-length", -1, "invalid arg 'x-max-length'"),
    ("x-max-priority", 256, "invalid arg 'x-max-priority'"),
    ("x-overflow", "spill", "invalid arg 'x-overflow'"),
    ("x-queue-type", "fast", "invalid arg 'x-queue-type'"),
    ("x-dead-letter-routing-key", "k", "invalid arg 'x-dead-letter-routing-key'"),
    ("x-dead-letter-exchange", 5, "invalid type 'long' for arg 'x-dead-letter-exchange'"),
    ("x-queue-mode", "quick", "invalid arg 'x-queue-mode'"),
    ("x-single-active-consumer", "on", "invalid arg 'x-single-active-consumer'"),
]:
    case(
        f"a queue with {member} {value!r}",
        f"PUT {V}/bad",
        {"durable": True, "arguments": {member: value}},
        (400, bad(starts(reason))),
    )
case("a refused queue is not there", f"GET {V}/bad", None, NOT_FOUND)
case(
    "a transient quorum queue",
    f"PUT {V}/bad",
    {"durable": False, "arguments": {"x-queue-type": "quorum"}},
    (400, bad(starts("invalid property 'non-durable' for queue 'bad'"))),
)
ARGUMENTS = {
    "x-message-ttl": 60000,
    "x-expires": 1800000,
    "x-max-length": 1000,
    "x-max-length-bytes": 1048576,
    "x-overflow": "reject-publish",
    "x-dead-letter-exchange": "dead",
    "x-dead-letter-routing-key": "letters",
    "x-max-priority": 5,
    "x-single-active-consumer": True,
    "x-queue-mode": "lazy",
    "x-own": {"deep": [1, "two", True, {"three": 3.5}]},
}
case(
    "a queue with all arguments",
    f"PUT {V}/full",
    {"durable": True, "auto_delete": True, "arguments": ARGUMENTS},
    (201, EMPTY),
)
case(
    "arguments come back as they were, with their types",
    f"GET {V}/full",
    None,
    (200, has(name="full", durable=True, auto_delete=True, exclusive=False, arguments=ARGUMENTS)),
)
case(
    "a queue has these members",
    f"GET {V}/q",
    None,
    (
        200,
        has(
            name="q",
            vhost="objects",
            type="classic",
            durable=True,
            auto_delete=False,
            exclusive=False,
            arguments={},
            node=str,
            consumer_details=[],
            incoming=[],
            deliveries=[],
        ),
    ),
)
for name, path in [
    ("a slash", "a%2Fb"),
    ("a space", "a%20b"),
    ("a plus, which is no space", "a+b"),
    ("an encoded plus", "c%2Bd"),
    ("a percent sign", "100%25"),
    ("an encoded escape", "a%252Fb"),
    ("a question mark", "what%3F"),
    ("a hash", "x%23y"),
    ("letters beyond ASCII", "%C3%BC%E2%82%AC%F0%9F%A6%8A"),
    ("a colon and a semicolon", "a:b;c=d"),
    ("three dots", "..."),
    ("a tab", "tab%09"),
    ("quotes", "%22%27"),
    ("255 bytes", "n" * 255),
]:

    @step(f"a queue's name with {name}")
    def odd_name(path=path):
        from urllib.parse import unquote

        equal(done(f"PUT {V}/{path}", {}).status, 201)
        queue = get(f"{V}/{path}")
        equal((queue["name"], queue["vhost"]), (unquote(path), "objects"))
        assert unquote(path) in [it["name"] for it in get(V)]
        equal(done(f"DELETE {V}/{path}").status, 204)


case("a queue's name of 256 bytes", f"PUT {V}/{'n' * 256}", {}, (400, has(error="bad_request")))
case("a queue's name of bytes that are no text", f"GET {V}/%FF", None, NOT_FOUND, 400)
case("a queue without a name", f"PUT {V}/", {}, 201, 400, 405)


@step("a queue of any name is found in the list of its vhost and of all")
def listed():
    for path in ("/queues", V):
        assert {"name": "q", "vhost": "objects"} in [
            {"name": it["name"], "vhost": it["vhost"]} for it in get(path)
        ]


case("deleting a queue", f"DELETE {V}/nobody", None, (204, EMPTY))
case("deleting it again", f"DELETE {V}/nobody", None, NOT_FOUND)
case("deleting an empty queue if it is empty", f"DELETE {V}/object?if-empty=true", None, 204)
case("deleting an unused queue if it is unused", f"DELETE {V}/list?if-unused=true", None, 204)
prepared(
    (
        f"POST {X}/amq.default/publish",
        {"properties": {}, "routing_key": "q", "payload": "x", "payload_encoding": "string"},
    )
)
case(
    "deleting a queue with messages if it is empty",
    f"DELETE {V}/q?if-empty=true",
    None,
    (400, bad("queue 'q' in vhost 'objects' not empty")),
)
case("if-empty=false asks for nothing", f"DELETE {V}/q?if-empty=false", None, 204)
case("deleting in no vhost", "DELETE /queues/nowhere/q", None, NOT_FOUND)
case("purging a queue that is not there", f"DELETE {V}/none/contents", None, NOT_FOUND)
case("contents cannot be got", f"GET {V}/string/contents", None, 405)
case(
    "an action that nobody knows",
    f"POST {V}/string/actions",
    {"action": "dance"},
    (400, bad(["unknown", "dance"])),
    400,
)

# Exchanges.

case("an exchange is created", f"PUT {X}/x", {"type": "topic", "durable": True}, (201, EMPTY))
case("an exchange is there already", f"PUT {X}/x", {"type": "topic", "durable": True}, (204, EMPTY))
case(
    "an exchange is there with another type",
    f"PUT {X}/x",
    {"type": "fanout", "durable": True},
    (
        400,
        bad(
            "inequivalent arg 'type' for exchange 'x' in vhost 'objects': "
            "received 'fanout' but current is 'topic'"
        ),
    ),
)
case(
    "an exchange is there, and is not durable",
    f"PUT {X}/x",
    {"type": "topic", "durable": False},
    (
        400,
        bad(
            "inequivalent arg 'durable' for exchange 'x' in vhost 'objects': "
            "received 'false' but current is 'true'"
        ),
    ),
)
case("an exchange without a type", f"PUT {X}/y", {"durable": True}, (201, EMPTY), (400, bad(str)))
case(
    "an exchange of no known type",
    f"PUT {X}/y2",
    {"type": "magic"},
    (400, bad("unknown exchange type 'magic'")),
)
case(
    "an exchange with a reserved name",
    f"PUT {X}/amq.mine",
    {"type": "fanout"},
    REFUSED,
    (400, bad(starts("exchange name 'amq.mine'"))),
)
case(
    "a predeclared exchange declared as it is",
    f"PUT {X}/amq.direct",
    {"type": "direct", "durable": True},
    204,
)
case("an exchange in no vhost", "PUT /exchanges/nowhere/x", {"type": "fanout"}, NOT_FOUND)
case("an exchange that is not there", f"GET {X}/none", None, NOT_FOUND)
case("an exchange with a slash in its name", f"PUT {X}/a%2Fb", {"type": "headers"}, (201, EMPTY))
case("it is there", f"GET {X}/a%2Fb", None, (200, has(name="a/b", type="headers", arguments={})))
case(
    "an exchange with an alternate exchange, internal",
    f"PUT {X}/inside",
    {
        "type": "fanout",
        "internal": True,
        "auto_delete": True,
        "arguments": {"alternate-exchange": "x"},
    },
    (201, EMPTY),
)
case(
    "it has these members",
    f"GET {X}/inside",
    None,
    (
        200,
        has(
            name="inside",
            vhost="objects",
            type="fanout",
            durable=False,
            auto_delete=True,
            internal=True,
            arguments={"alternate-exchange": "x"},
            incoming=[],
            outgoing=[],
        ),
    ),
)
case(
    "the default exchange is amq.default in paths and nameless in answers",
    f"GET {X}/amq.default",
    None,
    (200, has(name="", type="direct", durable=True)),
)
case(
    "a new vhost has these exchanges",
    "GET /exchanges/%2F",
    None,
    (
        200,
        Named(
            {
                "",
                "amq.direct",
                "amq.fanout",
                "amq.headers",
                "amq.match",
                "amq.rabbitmq.trace",
                "amq.topic",
            }
        ),
    ),
    (
        200,
        lambda found: (
            {"", "amq.direct", "amq.fanout", "amq.headers", "amq.match", "amq.topic"}
            <= {it["name"] for it in found}
        ),
    ),
)
case(
    "a predeclared exchange cannot be deleted",
    f"DELETE {X}/amq.direct",
    None,
    REFUSED,
    (400, bad(contains("reserved prefix 'amq.*'"))),
)
case(
    "the default exchange cannot be deleted",
    f"DELETE {X}/amq.default",
    None,
    REFUSED,
    (400, bad(contains("default exchange"))),
)
case("deleting an exchange if it is unused", f"DELETE {X}/a%2Fb?if-unused=true", None, 204)
case("deleting an exchange that is not there", f"DELETE {X}/none", None, NOT_FOUND)

case("deleting a vhost deletes its queues", "DELETE /vhosts/objects", None, (204, EMPTY))
case("they are gone", f"GET {V}/full", None, NOT_FOUND)
