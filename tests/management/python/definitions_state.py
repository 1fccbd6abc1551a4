"""The state that definitions are taken from: one of everything that they can have."""

from api_base import ALGORITHMS, done, hashed

# Users by name, as far as they have a password.
PASSWORDS = {name.rsplit("_", 1)[1]: f"pass of {name}" for name in ALGORITHMS}
PASSWORDS |= {
    "plain": "pl\u00e4in: \U0001f98a",
    "untagged": "x",
    "limited": "limited",
    "o'd d/\u00fc": "odd",
}
SALTS = {name: bytes([number, 0xFF, 0x00, 0x7F]) for number, name in enumerate(PASSWORDS)}

QUEUES = {
    "classic": {},
    "matched": {},
    "unrouted": {},
    "limits": {
        "x-message-ttl": 60000,
        "x-expires": 86400000,
        "x-max-length": 1000,
        "x-max-length-bytes": 1048576,
        "x-overflow": "reject-publish",
        "x-max-priority": 10,
        "x-single-active-consumer": True,
        "x-dead-letter-exchange": "topics",
        "x-dead-letter-routing-key": "dead",
    },
    "drop head": {"x-max-length": 5, "x-overflow": "drop-head"},
    "lazy": {"x-queue-mode": "lazy"},
    "version 2": {"x-queue-version": 2, "x-queue-type": "classic"},
    "placed": {"x-queue-master-locator": "client-local"},
    "quorum": {
        "x-queue-type": "quorum",
        "x-delivery-limit": 5,
        "x-quorum-initial-group-size": 1,
        "x-dead-letter-exchange": "topics",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
        "x-max-length": 1000,
    },
    "stream": {
        "x-queue-type": "stream",
        "x-max-length-bytes": 20000000,
        "x-max-age": "7D",
        "x-stream-max-segment-size-bytes": 1000000,
        "x-initial-cluster-size": 1,
    },
    "own/arguments \u00fc": {
        "x-own-text": "text",
        "x-own-number": 2147483648,
        "x-own-fraction": 1.5,
        "x-own-flag": False,
        "x-own-list": [1, "two", [True], {"three": 3}],
        "x-own-table": {"deep": {"deeper": {"deepest": "x" * 300}}},
    },
}
EXCHANGES = {
    "direct": ("direct", {}),
    "fanout": ("fanout", {}),
    "topics": ("topic", {}),
    "headers": ("headers", {}),
    "hashed": ("x-consistent-hash", {}),
    "hashed by header": ("x-consistent-hash", {"hash-header": "customer"}),
    "recent": ("x-recent-history", {"x-recent-history-length": 10}),
    "random": ("x-random", {}),
    "modulus": ("x-modulus-hash", {}),
    "chain": ("direct", {"alternate-exchange": "fallback"}),
    "fallback": ("fanout", {}),
    "covered": ("direct", {}),
    "o'd d/\u00fc": ("topic", {"x-own": {"list": [1, "a"]}}),
}
BINDINGS = [
    ("topics", "queue", "classic", "order.*.eu", {}),
    ("topics", "queue", "classic", "#", {"note": "with arguments"}),
    ("topics", "queue", "own/arguments \u00fc", "a b/c+d~%", {}),
    ("headers", "queue", "matched", "", {"x-match": "all", "kind": "invoice", "size": 5}),
    ("headers", "queue", "matched", "", {"x-match": "any", "kind": "order", "deep": {"l": [1]}}),
    ("fallback", "queue", "unrouted", "", {}),
    ("direct", "exchange", "fanout", "to the fanout", {}),
    ("hashed", "queue", "classic", "10", {}),
    ("hashed", "queue", "matched", "20", {}),
    ("random", "queue", "limits", "", {}),
    ("recent", "queue", "lazy", "", {}),
    ("modulus", "queue", "drop head", "", {}),
    ("amq.topic", "queue", "classic", "from.a.predeclared.one", {}),
]
KEYS = {
    "message-ttl": 60000,
    "expires": 86400000,
    "max-length": 500,
    "max-length-bytes": 100000000,
    "overflow": "reject-publish",
    "dead-letter-exchange": "topics",
    "dead-letter-routing-key": "dead",
    "queue-mode": "lazy",
}
POLICIES = {
    "all keys": ("^classic$", "queues", 5, KEYS),
    "quorum's deliveries": ("^quorum$", "queues", 2, {"delivery-limit": 7}),
    "stream's age": ("^stream$", "queues", 1, {"max-age": "3D"}),
    "alternate": ("^covered$", "exchanges", 0, {"alternate-exchange": "fallback"}),
    "for all, below 0": (".*", "all", -5, {"max-length": 100000}),
    "p\u00f6licy/odd": ("^none$", "all", 2147483647, {"message-ttl": 0}),
}


def segment(name):
    return "".join(f"%{byte:02X}" for byte in name.encode())


def definitions():
    """Users with hashes that are the same each time, so that a recorded export stays the same."""
    users = []
    for name, password in PASSWORDS.items():
        algorithm = next((it for it in ALGORITHMS if it.endswith("_" + name)), None)
        algorithm = algorithm or "rabbit_password_hashing_sha256"
        users.append(
            {
                "name": name,
                "password_hash": hashed(password, algorithm, SALTS[name]),
                "hashing_algorithm": algorithm,
                "tags": [] if name == "untagged" else ["management", "mine"],
                "limits": {},
            }
        )
    empty = {"name": "empty", "password_hash": "", "tags": ["administrator"], "limits": {}}
    users.append({**empty, "hashing_algorithm": "rabbit_password_hashing_sha256"})
    return {"users": users}


def fill(port):
    """Makes it all on the broker that serves HTTP there."""

    def put(path, body):
        done(f"PUT {path}", body, port=port)

    done("POST /definitions", definitions(), port=port)
    put("/vhosts/orders", {"description": "Orders and \u00fc", "tags": "one,two"})
    put("/vhosts/o%27d%20d%2F%C3%BC", {})
    for name in [*PASSWORDS, "empty"]:
        pattern = "^l-" if name == "limited" else ".*"
        permissions = {"configure": pattern, "write": ".*", "read": ".*"}
        put(f"/permissions/orders/{segment(name)}", permissions)
    put("/permissions/%2F/sha256", {"configure": "", "write": "^$", "read": "^(a|b)[.]\\d+"})
    for exchange in ("topics", "amq.topic"):
        permissions = {"exchange": exchange, "write": "^order[.]", "read": ".*"}
        put("/topic-permissions/orders/limited", permissions)
    put("/user-limits/limited/max-connections", {"value": 1})
    put("/user-limits/limited/max-channels", {"value": 5})
    put("/vhost-limits/orders/max-connections", {"value": 500})
    put("/vhost-limits/orders/max-queues", {"value": 200})
    put("/global-parameters/own", {"value": {"text": "\u00fc", "list": [1, None, True, 1.5, {}]}})
    put("/global-parameters/a%2Fb", {"value": "text"})
    for name, (kind, arguments) in EXCHANGES.items():
        durable = name != "fanout"
        body = {"type": kind, "durable": durable, "arguments": arguments}
        body |= {"internal": name == "fallback", "auto_delete": name == "covered"}
        put(f"/exchanges/orders/{segment(name)}", body)
    put("/exchanges/%2F/in%20the%20first%20vhost", {"type": "fanout", "durable": True})
    for name, arguments in QUEUES.items():
        body = {"durable": name != "matched", "auto_delete": name == "unrouted"}
        put(f"/queues/orders/{segment(name)}", {**body, "arguments": arguments})
    put("/queues/%2F/in%20the%20first%20vhost", {"durable": True})
    for source, kind, destination, key, arguments in BINDINGS:
        path = f"/bindings/orders/e/{segment(source)}/{kind[0]}/{segment(destination)}"
        done(f"POST {path}", {"routing_key": key, "arguments": arguments}, port=port)
    for name, (pattern, kind, priority, definition) in POLICIES.items():
        body = {"pattern": pattern, "apply-to": kind, "priority": priority}
        put(f"/policies/orders/{segment(name)}", {**body, "definition": definition})
    operator = {"max-length": 100, "message-ttl": 30000, "expires": 3600000}
    operator |= {"max-length-bytes": 1000000}
    body = {"pattern": "^(classic|lazy)$", "apply-to": "queues", "priority": 3}
    put("/operator-policies/orders/operator", {**body, "definition": operator})
