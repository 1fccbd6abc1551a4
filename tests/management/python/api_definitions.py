"""Definitions: exported and imported whole and for one vhost, and what is refused."""

import json

from api_base import (
    ALGORITHMS,
    BAD,
    EMPTY,
    NOT_FOUND,
    Raw,
    api,
    bad,
    case,
    contains,
    done,
    equal,
    error,
    get,
    has,
    hashed,
    login,
    starts,
    step,
)

D = "/definitions"
JSON = {"Content-Type": "application/json"}
KEYS = {
    "rabbit_version",
    "rabbitmq_version",
    "product_name",
    "product_version",
    "users",
    "vhosts",
    "permissions",
    "topic_permissions",
    "parameters",
    "global_parameters",
    "policies",
    "queues",
    "exchanges",
    "bindings",
}
QUEUE = {"name": "q", "durable": True, "auto_delete": False, "arguments": {"x-max-length": 5}}
EXCHANGE = {
    "name": "x",
    "type": "topic",
    "durable": True,
    "auto_delete": False,
    "internal": False,
    "arguments": {"alternate-exchange": "amq.fanout"},
}
BINDING = {
    "source": "x",
    "destination": "q",
    "destination_type": "queue",
    "routing_key": "a.#",
    "arguments": {"n": 1},
}
POLICY = {
    "name": "p",
    "pattern": "^q",
    "apply-to": "queues",
    "definition": {"message-ttl": 1000},
    "priority": 3,
}


def placed(thing, vhost="defs"):
    return {**thing, "vhost": vhost}


def those(found, vhost="defs"):
    """Of a list of an export, what belongs to the vhost."""
    return [it for it in found if it["vhost"] == vhost]


def whole():
    """Definitions of one of each."""
    return {
        "rabbit_version": "3.10.8",
        "rabbitmq_version": "3.10.8",
        "users": [
            {
                "name": name.rsplit("_", 1)[1],
                "password_hash": hashed("pass", name),
                "hashing_algorithm": name,
                "tags": ["management"],
                "limits": {"max-connections": 9},
            }
            for name in ALGORITHMS
        ],
        "vhosts": [{"name": "defs"}],
        "permissions": [
            {"user": "sha256", "vhost": "defs", "configure": "^c", "write": "^w", "read": ".*"}
        ],
        "topic_permissions": [
            {"user": "sha256", "vhost": "defs", "exchange": "x", "write": "^a", "read": "^b"}
        ],
        "parameters": [
            {
                "component": "vhost-limits",
                "vhost": "defs",
                "name": "limits",
                "value": {"max-queues": 50},
            },
            {
                "component": "operator_policy",
                "vhost": "defs",
                "name": "o",
                "value": {
                    "pattern": "^q",
                    "apply-to": "queues",
                    "definition": {"max-length": 3},
                    "priority": 0,
                },
            },
        ],
        "global_parameters": [{"name": "mine", "value": {"a": [1, 2]}}],
        "policies": [placed(POLICY)],
        "queues": [placed(QUEUE)],
        "exchanges": [placed(EXCHANGE)],
        "bindings": [placed(BINDING)],
    }


case("definitions of everything are imported", f"POST {D}", whole(), (204, EMPTY))
case("they are imported again", f"POST {D}", whole(), (204, EMPTY))


@step("an export has what was imported")
def exported():
    found, given = get(D), whole()
    assert KEYS <= set(found), KEYS - set(found)
    users = {it["name"]: it for it in found["users"]}
    for user in given["users"]:
        equal(users[user["name"]], user)
    assert "guest" in users
    assert "defs" in [it["name"] for it in found["vhosts"]]
    for key in ("permissions", "topic_permissions", "policies", "queues", "exchanges", "bindings"):
        # Who imports a vhost may get permissions for it.
        mine = [it for it in those(found[key]) if it.get("user") != "guest"]
        wanted = [{name: it[name] for name in given[key][0] if name in it} for it in mine]
        equal(wanted, given[key])
    parameters = {it["component"]: it for it in those(found["parameters"])}
    equal(parameters, {it["component"]: it for it in given["parameters"]})
    assert {"name": "mine", "value": {"a": [1, 2]}} in found["global_parameters"]


@step("an export has neither what is predeclared nor the default bindings")
def own():
    found = get(D)
    assert not [it for it in found["exchanges"] if it["name"].startswith("amq.") or not it["name"]]
    assert not [it for it in found["bindings"] if it["source"] == ""]


@step("users of every algorithm log in with their old passwords")
def logins():
    for name in ALGORITHMS:
        name = name.rsplit("_", 1)[1]
        equal([login(name, it) for it in ("pass", "wrong")], [200, 401])


@step("what was imported is at work")
def at_work():
    equal(get("/vhost-limits/defs"), [{"vhost": "defs", "value": {"max-queues": 50}}])
    equal(get("/operator-policies/defs/o")["definition"], {"max-length": 3})
    equal(get("/user-limits/sha256")[0]["value"], {"max-connections": 9})
    equal(get("/bindings/defs/e/x/q/q")[0]["routing_key"], "a.#")


@step("an export can be imported as it is")
def round_trip():
    before = get(D)
    done(f"POST {D}", before)
    after = get(D)
    equal(sorted(after), sorted(before))
    for key, value in before.items():
        if isinstance(value, list):
            text = [
                sorted(json.dumps(it, sort_keys=True) for it in side)
                for side in (value, after[key])
            ]
            equal(text[1], text[0])


@step("an export comes as a file if it is to")
def download():
    reply = api(f"GET {D}?download=mine.json")
    found = reply.headers["Content-Disposition"].replace('"', "")
    equal(found, "attachment; filename=mine.json")
    assert KEYS <= set(reply.json)


@step("a file comes as a form of several parts")
def multipart():
    content = json.dumps({"vhosts": [{"name": "posted"}]})
    body = (
        '--edge\r\nContent-Disposition: form-data; name="file"; filename="d.json"\r\n'
        f"Content-Type: application/json\r\n\r\n{content}\r\n--edge--\r\n"
    )
    kind = {"Content-Type": "multipart/form-data; boundary=edge"}
    reply = api(f"POST {D}", Raw(body.encode()), headers=kind)
    equal(reply.status, 204)
    equal(get("/vhosts/posted")["name"], "posted")
    done("DELETE /vhosts/posted")


case(
    "the old name of definitions", "GET /all-configuration", None, (200, has(users=list)), NOT_FOUND
)

# Merging.


@step("what is there and cannot change is left as it is")
def left():
    done(f"POST {D}", {"queues": [placed({**QUEUE, "durable": False, "arguments": {}})]})
    equal(get("/queues/defs/q")["arguments"], {"x-max-length": 5})
    done(f"POST {D}", {"exchanges": [placed({**EXCHANGE, "type": "fanout"})]})
    equal(get("/exchanges/defs/x")["type"], "topic")


@step("what can change is changed")
def replaced():
    user = {"name": "sha256", "password_hash": hashed("new"), "tags": "monitoring"}
    permission = {"user": "sha256", "vhost": "defs", "configure": "", "write": "", "read": ""}
    policy = placed({**POLICY, "priority": 8})
    more = {"users": [user], "permissions": [permission], "policies": [policy]}
    done(f"POST {D}", {**more, "global_parameters": [{"name": "mine", "value": 5}]})
    equal([login("sha256", it) for it in ("pass", "new")], [401, 200])
    equal(get("/users/sha256")["tags"], ["monitoring"])
    equal(get("/permissions/defs/sha256"), permission)
    equal(get("/policies/defs/p")["priority"], 8)
    equal(get("/global-parameters/mine")["value"], 5)


@step("what the file does not name stays")
def stays():
    done(f"POST {D}", {"vhosts": [{"name": "defs"}], "queues": [placed({**QUEUE, "name": "more"})]})
    equal({it["name"] for it in get("/queues/defs")}, {"q", "more"})
    equal(len(get("/bindings/defs/e/x/q/q")), 1)


# Users as files have them.

for name, more, accepted in [
    ("a string of tags", {"password_hash": hashed("p"), "tags": "management,mine"}, 200),
    ("a plain password", {"password": "p", "tags": ["management"]}, 200),
    ("no algorithm", {"password_hash": hashed("p"), "tags": "management"}, 200),
    (
        "an algorithm of null",
        {"password_hash": hashed("p"), "hashing_algorithm": None, "tags": "management"},
        None,
    ),
    ("an empty hash", {"password_hash": "", "tags": "management"}, 401),
    ("unknown members", {"password_hash": hashed("p"), "tags": "management", "color": 1}, 200),
]:

    @step(f"a user with {name}")
    def user(more=more, accepted=accepted):
        equal(done(f"POST {D}", {"users": [{"name": "u", **more}]}).status, 204)
        # Of an algorithm of null RabbitMQ makes one that nobody can log in with.
        equal(login("u", "p"), accepted or login("u", "p"))
        done("DELETE /users/u")


for version, algorithm in [
    ("3.5.7", "rabbit_password_hashing_md5"),
    ("3.6.0", "rabbit_password_hashing_sha256"),
]:

    @step(f"a user without an algorithm in a file of {version}")
    def old_file(version=version, algorithm=algorithm):
        user = {"name": "u", "password_hash": hashed("p", algorithm), "tags": "management"}
        done(f"POST {D}", {"rabbit_version": version, "users": [user]})
        equal(get("/users/u")["hashing_algorithm"], algorithm)
        equal(login("u", "p"), 200)
        done("DELETE /users/u")


# What is refused.

case("nothing at all", f"POST {D}", {}, (204, EMPTY))
case("keys that nobody knows", f"POST {D}", {"cats": [1], "users": []}, (204, EMPTY))
UNREADABLE = (400, bad("failed_to_parse_json"))
case("a file that is a list", f"POST {D}", [], UNREADABLE, BAD)
case("a file that is cut off", f"POST {D}", Raw(b'{"users": ['), UNREADABLE, BAD, headers=JSON)
case(
    "a file of another kind",
    f"POST {D}",
    Raw(b"{}"),
    415,
    204,
    headers={"Content-Type": "text/plain"},
)
case("users that are no list", f"POST {D}", {"users": 5}, 500, BAD)
case(
    "a user without tags",
    f"POST {D}",
    {"users": [{"name": "u", "password": "x"}]},
    (400, bad("tags_not_present")),
    BAD,
)
case("a user without a name", f"POST {D}", {"users": [{"password": "x", "tags": ""}]}, BAD)
case(
    "a user whose hash is none",
    f"POST {D}",
    {"users": [{"name": "u", "password_hash": "?", "tags": ""}]},
    BAD,
)
case(
    "a queue in no vhost",
    f"POST {D}",
    {"queues": [placed(QUEUE, "nowhere")]},
    (400, bad(["no_such_vhost", "nowhere"])),
    BAD,
)
case(
    "a queue without a name",
    f"POST {D}",
    {"queues": [{"vhost": "defs", "durable": True}]},
    500,
    BAD,
)
case(
    "an exchange of no known type",
    f"POST {D}",
    {"exchanges": [placed({**EXCHANGE, "name": "y", "type": "magic"})]},
    BAD,
)
case(
    "permissions of nobody",
    f"POST {D}",
    {"permissions": [{"user": "none", "vhost": "defs", "configure": "", "write": "", "read": ""}]},
    (400, bad(["no_such_user", "none"])),
    BAD,
)
case(
    "a policy with a pattern that is none",
    f"POST {D}",
    {"policies": [placed({**POLICY, "pattern": "["})]},
    (400, bad(starts("Validation failed\n\npattern should be regular expression"))),
    BAD,
)
case(
    "a binding from nowhere",
    f"POST {D}",
    {"bindings": [placed({**BINDING, "source": "none"})]},
    204,
    BAD,
)
case(
    "a component that nobody knows",
    f"POST {D}",
    {"parameters": [{"component": "cats", "vhost": "defs", "name": "n", "value": {}}]},
    (400, bad(contains("component cats not found"))),
    204,
    BAD,
)
case("definitions cannot be put", f"PUT {D}", {}, 405)

# One vhost.


@step("an export of a vhost says nothing of vhosts")
def vhost_exported():
    found = get(f"{D}/defs")
    assert {"rabbit_version", "parameters", "policies", "queues", "exchanges", "bindings"} <= set(
        found
    )
    assert not {"users", "permissions", "global_parameters"} & set(found), sorted(found)
    for key, thing in (("exchanges", EXCHANGE), ("bindings", BINDING)):
        equal([{name: it[name] for name in thing} for it in found[key]], [thing])
        assert "vhost" not in found[key][0], found[key]
    equal({it["name"] for it in found["queues"]}, {"q", "more"})


@step("an export of a vhost is imported into another one")
def vhost_imported():
    done("PUT /vhosts/copy")
    reply = done(f"POST {D}/copy", get(f"{D}/defs"))
    equal((reply.status, reply.raw), (204, b""))
    equal({it["name"] for it in get("/queues/copy")}, {"q", "more"})
    equal(get("/bindings/copy/e/x/q/q")[0]["arguments"], {"n": 1})
    equal(get("/policies/copy/p")["priority"], 8)
    equal(get("/vhost-limits/copy")[0]["value"], {"max-queues": 50})


@step("what says another vhost goes into the one that is meant")
def vhost_forced():
    done(f"POST {D}/copy", {"queues": [placed({**QUEUE, "name": "forced"})]})
    equal(get("/queues/copy/forced")["vhost"], "copy")
    equal(api("GET /queues/defs/forced").status, 404)


case("an export of no vhost", f"GET {D}/nowhere", None, (400, bad("vhost_not_found")), NOT_FOUND)
case(
    "an import into no vhost",
    f"POST {D}/nowhere",
    {},
    (404, error("not_found", "vhost_not_found")),
    NOT_FOUND,
)
case("an import that is none", f"POST {D}/copy", Raw(b"{"), BAD, headers=JSON)
case(
    "a queue with a member that nobody knows",
    f"POST {D}/copy",
    {"queues": [{**QUEUE, "name": "odd", "color": 1}]},
    204,
)


@step("everything goes again")
def cleared():
    for path in ("/vhosts/defs", "/vhosts/copy", "/global-parameters/mine"):
        done(f"DELETE {path}")
    for name in ALGORITHMS:
        done(f"DELETE /users/{name.rsplit('_', 1)[1]}")
    equal(those(get(D)["queues"]), [])
