"""What all requests have in common: logins, paths, methods, bodies, lists and their parameters."""

import gzip
import json

from api_base import (
    BAD,
    EMPTY,
    NOT_FOUND,
    Named,
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
    prepared,
    starts,
    step,
)

# Logins.


@step("without a login the answer asks for one")
def nobody():
    reply = api("GET /overview", user=None)
    equal(reply.status, 401)
    assert reply.headers["WWW-Authenticate"].startswith("Basic realm="), reply.headers


@step("a wrong login is told and asked for again")
def wrong():
    for user in (("guest", "wrong"), ("nobody", "guest"), ("", "")):
        reply = api("GET /overview", user=user)
        equal((reply.status, reply.json["reason"]), (401, "Login failed"))
        # RabbitMQ writes this one word otherwise than everywhere else.
        assert reply.json["error"] in ("not_authorized", "not_authorised"), reply
        assert reply.headers["WWW-Authenticate"].startswith("Basic realm="), reply.headers


for name, value in [
    ("that is not base64", "Basic ###"),
    ("without a colon", "Basic Z3Vlc3Q="),
    ("of an unknown kind", "Digest guest"),
    ("of a bearer", "Bearer x.y.z"),
    ("without a word", ""),
]:
    case(f"a login {name}", "GET /overview", None, 401, 400, headers={"Authorization": value})

case("a login counts on every path", "GET /queues/%2F", None, 401, user=None)
case("who is logged in", "GET /whoami", None, (200, has(name="guest", tags=["administrator"])))

# Paths and methods.

case(
    "a path that is none",
    "GET /nothing",
    None,
    (404, error("Object Not Found", "Not Found")),
    NOT_FOUND,
)
case("a path with too many parts", "GET /queues/%2F/q/x/y/z", None, 400, NOT_FOUND)
case(
    "a path of a shape that another method has", "GET /queues/%2F/q/get/more", None, 400, NOT_FOUND
)
case("a trailing slash", "GET /queues/", None, (200, list))
case("a trailing slash after a name", "GET /vhosts/%2F/", None, (200, has(name="/")), NOT_FOUND)
case("a vhost without its escape", "GET /queues//", None, (200, list), NOT_FOUND)
case("a method that is not for this path", "PUT /overview", {}, 405)
for method in ("PATCH", "POST", "PUT", "DELETE"):
    case(f"{method} on a list", f"{method} /queues", None, 405)
case("POST where PUT is meant", "POST /queues/%2F/q", {}, 405)
case("a method that nobody knows", "BREW /queues", None, 405, 501, 400)


@step("OPTIONS names what is allowed")
def options():
    reply = api("OPTIONS /queues")
    assert reply.status in (200, 204), reply
    allowed = reply.headers["Allow"].replace(" ", "").split(",")
    assert {"GET", "HEAD", "OPTIONS"} <= set(allowed), allowed


@step("HEAD is GET without a body")
def head():
    reply = api("HEAD /queues")
    equal((reply.status, reply.raw), (200, b""))
    equal(reply.headers["Content-Type"], "application/json")
    equal(api("HEAD /queues/%2F/none").status, 404)


@step("answers are JSON that nobody keeps")
def headers():
    reply = api("GET /queues")
    equal(reply.headers["Content-Type"], "application/json")
    equal(reply.headers["Cache-Control"], "no-cache")
    varies = reply.headers["Vary"].lower()
    assert "accept-encoding" in varies and "origin" in varies, varies


@step("a client that accepts gzip may get it")
def compressed():
    reply = api("GET /overview", headers={"Accept-Encoding": "gzip"})
    equal(reply.status, 200)
    raw = reply.raw
    if reply.headers["Content-Encoding"] == "gzip":
        raw = gzip.decompress(raw)
    assert "rabbitmq_version" in json.loads(raw)


case("a client that accepts anything", "GET /whoami", None, 200, headers={"Accept": "*/*"})
case(
    "a client that accepts only HTML",
    "GET /whoami",
    None,
    406,
    200,
    headers={"Accept": "text/html"},
)
case(
    "a body with a type",
    "PUT /vhosts/typed",
    {},
    201,
    headers={"Content-Type": "application/json; charset=utf-8"},
)
case(
    "a body of another type",
    "PUT /vhosts/typed",
    Raw(b"{}"),
    204,
    headers={"Content-Type": "text/plain"},
)
case("a body without a type", "PUT /vhosts/typed", Raw(b"{}"), 204)
case(
    "a form that curl makes of it",
    "PUT /vhosts/typed",
    Raw(b"{}"),
    204,
    headers={"Content-Type": "application/x-www-form-urlencoded"},
)
case("it goes", "DELETE /vhosts/typed", None, (204, EMPTY))

# Bodies.

NOT_JSON = (400, error("bad_request", "not_json"))
for name, body in [
    ("is cut off", b'{"durable": true'),
    ("is a word", b"durable"),
    ("is a list", b"[]"),
    ("is a string", b'"x"'),
    ("is a number", b"5"),
    ("has two objects", b"{}{}"),
]:
    case(f"a body that {name}", "PUT /queues/%2F/body", Raw(body), NOT_JSON, BAD)
case("a body that is null", "PUT /queues/%2F/body", Raw(b"null"), 201, BAD)
case(
    "a body with a comma too many",
    "PUT /queues/%2F/body",
    Raw(b'{"durable": false,}'),
    204,
    201,
    BAD,
)
case("a body that is no UTF-8", "PUT /queues/%2F/body", Raw(b'{"a": "\xff"}'), 204, 201, BAD)
case("a body that is empty", "PUT /queues/%2F/body", Raw(b""), 204, 201)
case("a body of white space", "PUT /queues/%2F/body", Raw(b"  \n"), NOT_JSON, 204)
case(
    "a body with the same name twice",
    "PUT /queues/%2F/body",
    Raw(b'{"durable":true,"durable":false}'),
    204,
    400,
)
case("a body with escapes", "PUT /queues/%2F/body", Raw(b'{"dur\\u0061ble": false}'), 204)
case("it goes, too", "DELETE /queues/%2F/body", None, 204)


@step("a body of more than twenty megabytes is refused")
def too_large():
    payload = b'{"a": "' + b"x" * (21 << 20) + b'"}'
    try:
        reply = api("POST /definitions", Raw(payload), headers={"Content-Type": "application/json"})
    except (BrokenPipeError, ConnectionError):
        return
    assert reply.status in (400, 413), reply


@step("a body of nested lists without end is refused, and does no harm")
def too_deep():
    reply = api("PUT /queues/%2F/deep", Raw(b'{"arguments":{"a":' + b"[" * 100_000))
    equal(reply.status, 400)
    equal(api("GET /whoami").status, 200)


# Lists.

NAMES = ["alpha", "beta", "Gamma", "delta.one", "delta.two"]
L = "/queues/lists"
prepared("PUT /vhosts/lists", *[(f"PUT {L}/{name}", {}) for name in NAMES])
case("a list without a page has all", f"GET {L}", None, (200, Named(set(NAMES))))
case("a name without a page is no filter", f"GET {L}?name=alpha", None, (200, Named(set(NAMES))))
case("a page size without a page is none", f"GET {L}?page_size=1", None, (200, Named(set(NAMES))))
case(
    "a page",
    f"GET {L}?page=1&page_size=2&sort=name",
    None,
    (
        200,
        has(
            total_count=5,
            filtered_count=5,
            item_count=2,
            page=1,
            page_size=2,
            page_count=3,
            items=Named(["Gamma", "alpha"]),
        ),
    ),
)
case(
    "the last page",
    f"GET {L}?page=3&page_size=2&sort=name",
    None,
    (200, has(item_count=1, items=Named(["delta.two"]))),
)
case(
    "a page has a hundred if it does not say",
    f"GET {L}?page=1",
    None,
    (200, has(page_size=100, item_count=5)),
)
case(
    "pages are numbered, whatever pagination= says",
    f"GET {L}?page=1&pagination=false",
    None,
    (200, has(page=1)),
)
case(
    "a filter",
    f"GET {L}?page=1&name=DELTA&sort=name",
    None,
    (
        200,
        has(total_count=5, filtered_count=2, item_count=2, items=Named(["delta.one", "delta.two"])),
    ),
)
case(
    "a filter that is a pattern",
    f"GET {L}?page=1&name=%5E%28alpha%7Cgamma%29%24&use_regex=true",
    None,
    (200, has(filtered_count=2, items=Named({"alpha", "Gamma"}))),
)
case(
    "a filter that is none",
    f"GET {L}?page=1&name=a.p&use_regex=false",
    None,
    (200, has(filtered_count=0, items=[])),
)
case("a filter by nothing", f"GET {L}?page=1&name=", None, (200, has(filtered_count=5)))
case(
    "a page of nothing",
    f"GET {L}?page=1&name=zzz",
    None,
    (200, has(total_count=5, filtered_count=0, item_count=0, page=1, items=[])),
)
INVALID = "invalid_pagination_parameters"
OUTSIDE = "page_out_of_range"
case(
    "page 0",
    f"GET {L}?page=0",
    None,
    (400, error(INVALID, starts("Invalid pagination parameters: page number 0"))),
)
case(
    "page -1",
    f"GET {L}?page=-1",
    None,
    (400, error(INVALID, starts("Invalid pagination parameters: page number -1"))),
)
case(
    "a page that is no number",
    f"GET {L}?page=x",
    None,
    (400, bad("Pagination parameters are invalid")),
    400,
)
case(
    "page size 0",
    f"GET {L}?page=1&page_size=0",
    None,
    (400, error(INVALID, "Invalid pagination parameters: page number 1, page size 0")),
)
case(
    "page size 501",
    f"GET {L}?page=1&page_size=501",
    None,
    (400, error(INVALID, "Invalid pagination parameters: page number 1, page size 501")),
)
case("page size 500", f"GET {L}?page=1&page_size=500", None, (200, has(page_size=500)))
case(
    "a page after the last",
    f"GET {L}?page=4&page_size=2",
    None,
    (400, error(OUTSIDE, "Page out of range, page: 4 page size: 2, len: 5")),
)
case(
    "a pattern that is none",
    f"GET {L}?page=1&name=%5B&use_regex=true",
    None,
    (400, bad(str)),
    (200, has(filtered_count=0)),
)
case("a flag that is none", f"GET {L}?page=1&name=a&use_regex=maybe", None, 200, 400)
for path in ("exchanges", "exchanges/lists", "vhosts", "connections", "channels"):
    case(
        f"{path} come in pages",
        f"GET /{path}?page=1&page_size=1",
        None,
        (200, has(page=1, page_size=1, items=list)),
    )
for path in ("users", "permissions", "bindings", "policies", "parameters", "consumers"):
    case(
        f"{path} come whole",
        f"GET /{path}?page=1&page_size=1",
        None,
        (200, list),
        (200, has(page=1)),
    )
case(
    "sorted",
    f"GET {L}?sort=name",
    None,
    (200, Named(["Gamma", "alpha", "beta", "delta.one", "delta.two"])),
)
case(
    "sorted the other way",
    f"GET {L}?sort=name&sort_reverse=true",
    None,
    (200, Named(["delta.two", "delta.one", "beta", "alpha", "Gamma"])),
)
case("sorted by what nobody has", f"GET {L}?sort=no.such.thing", None, (200, Named(set(NAMES))))
case("sorted by nothing", f"GET {L}?sort=", None, (200, Named(set(NAMES))))
case(
    "some columns",
    f"GET {L}?columns=name,vhost&sort=name",
    None,
    (200, lambda found: found[0] == {"name": "Gamma", "vhost": "lists"}),
)
case("columns of one", f"GET {L}/alpha?columns=name", None, (200, {"name": "alpha"}))
case(
    "columns of the overview",
    "GET /overview?columns=node,object_totals.queues",
    None,
    (
        200,
        lambda found: (
            set(found) == {"node", "object_totals"} and "queues" in found["object_totals"]
        ),
    ),
)
case("columns that nobody has", f"GET {L}/alpha?columns=none", None, (200, {}), (200, []))
case(
    "columns with pages",
    f"GET {L}?page=1&page_size=1&sort=name&columns=name",
    None,
    (200, has(items=[{"name": "Gamma"}])),
)
case(
    "no statistics",
    f"GET {L}?disable_stats=true",
    None,
    (200, lambda found: len(found) == 5 and "message_stats" not in found[0]),
)
case(
    "totals alone",
    f"GET {L}?disable_stats=true&enable_queue_totals=true",
    None,
    (200, lambda found: len(found) == 5),
)
case("parameters that nobody knows", f"GET {L}?colour=red&_=12345", None, (200, Named(set(NAMES))))

# Samples.

RANGES = [
    "/overview",
    L,
    f"{L}/alpha",
    "/exchanges/lists",
    "/exchanges/lists/amq.direct",
    "/vhosts",
    "/vhosts/lists",
    "/nodes",
    "/connections",
    "/channels",
]
TOO_MANY = (
    400,
    # Of objects and the overview it is a bad request, of lists it has a name of its own.
    has(
        error=lambda it: it in ("bad_request", "invalid_range_parameters"),
        reason="Invalid range parameters: age 6000, incr 1",
    ),
)
for path in RANGES:
    case(
        f"too many samples of {path}", f"GET {path}?lengths_age=6000&lengths_incr=1", None, TOO_MANY
    )
case(
    "a range of nothing",
    "GET /overview?lengths_age=0&lengths_incr=0",
    None,
    (400, has(error=str, reason="Invalid range parameters: age 0, incr 0")),
)
case("half a range is none", "GET /overview?lengths_age=60", None, 200)
case(
    "a range that is no number is none",
    "GET /overview?lengths_age=60&lengths_incr=x",
    None,
    200,
    400,
)
for kind in ("lengths", "msg_rates", "data_rates", "node_stats"):
    case(f"a range of {kind}", f"GET /overview?{kind}_age=60&{kind}_incr=5", None, 200)


@step("samples are a list from new to old")
def samples():
    details = get("/overview?lengths_age=60&lengths_incr=5")["queue_totals"].get("messages_details")
    found = details["samples"]
    times = [it["timestamp"] for it in found]
    assert len(found) > 5 and times == sorted(times, reverse=True), details
    assert all(isinstance(it["sample"], (int, float)) for it in found), found
    assert isinstance(details["avg"], (int, float)) and isinstance(
        details["avg_rate"], (int, float)
    )


# What is there on its own.

case("the vhost of lists goes", "DELETE /vhosts/lists", None, 204)
case("extensions are a list", "GET /extensions", None, (200, list))
case("the cluster has a name", "GET /cluster-name", None, (200, has(name=str)))


@step("the cluster's name can be changed")
def cluster_name():
    old = get("/cluster-name")
    equal(done("PUT /cluster-name", {"name": "burrow"}).status, 204)
    equal(get("/cluster-name"), {"name": "burrow"})
    equal(get("/overview")["cluster_name"], "burrow")
    done("PUT /cluster-name", old)


case("a cluster's name without a name", "PUT /cluster-name", {}, 400)
case("a vhost is alive", "GET /aliveness-test/%2F", None, (200, {"status": "ok"}))
case("a vhost that is not there is not alive", "GET /aliveness-test/nowhere", None, NOT_FOUND)
case(
    "deprecated checks of the node",
    "GET /healthchecks/node",
    None,
    (200, has(status="ok")),
    NOT_FOUND,
)
for check in (
    "alarms",
    "local-alarms",
    "certificate-expiration/1/months",
    "virtual-hosts",
    "node-is-quorum-critical",
    "node-is-mirror-sync-critical",
    "protocol-listener/amqp",
):
    case(f"health check {check}", f"GET /health/checks/{check}", None, (200, has(status="ok")))
case(
    "a health check of a port that nobody listens on",
    "GET /health/checks/port-listener/1",
    None,
    (503, has(status="failed", reason=str, missing=lambda it: str(it) == "1")),
)
case(
    "a health check of a port that is none",
    "GET /health/checks/port-listener/x",
    None,
    (400, error("bad_request", "Invalid port")),
    400,
    503,
)
case(
    "a health check of a protocol that nobody speaks",
    "GET /health/checks/protocol-listener/gopher",
    None,
    (503, has(status="failed", reason=str, missing=contains("gopher"), protocols=list)),
)
case(
    "a health check in no unit of time",
    "GET /health/checks/certificate-expiration/1/moons",
    None,
    (400, bad(str)),
    BAD,
)
case("a health check that nobody knows", "GET /health/checks/mood", None, NOT_FOUND)
