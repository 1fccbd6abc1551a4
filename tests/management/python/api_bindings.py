"""Bindings and the keys that they are found by."""

from api_base import (
    EMPTY,
    NOT_FOUND,
    REFUSED,
    Has,
    Named,
    bad,
    case,
    contains,
    done,
    equal,
    get,
    has,
    prepared,
    step,
)

V = "/queues/bound"
X = "/exchanges/bound"
B = "/bindings/bound"

prepared("PUT /vhosts/bound", (f"PUT {X}/x", {"type": "topic"}))
prepared((f"PUT {V}/b", {"durable": True}))
case(
    "bindings of a queue begin with that to the default exchange",
    f"GET {V}/b/bindings",
    None,
    (
        200,
        [
            {
                "source": "",
                "vhost": "bound",
                "destination": "b",
                "destination_type": "queue",
                "routing_key": "b",
                "arguments": {},
                "properties_key": "b",
            }
        ],
    ),
)
for name, key, url in [
    ("a plain key", "key", "key"),
    ("words with dots", "a.*.b.#", "a.%2A.b.%23"),
    ("no key", "", "~"),
    ("a slash", "a/b", "a%2Fb"),
    ("a tilde", "~", "%7E"),
    ("a space and a plus", "a b+c", "a+b%2Bc"),
    ("a percent sign", "50%", "50%25"),
    ("letters beyond ASCII", "ü€", "%C3%BC%E2%82%AC"),
    ("255 bytes", "k" * 255, "k" * 255),
]:

    @step(f"a binding's properties_key of {name}")
    def properties_key(key=key, url=url):
        from urllib.parse import quote

        reply = done(f"POST {B}/e/x/q/b", {"routing_key": key, "arguments": {}})
        equal(reply.status, 201)
        location = reply.headers["Location"]
        segment = location.rsplit("/", 1)[1]
        found = [it for it in get(f"{B}/e/x/q/b") if it["routing_key"] == key]
        # What is no letter, digit, dot, dash or underscore is escaped, and a space is a plus; as
        # a path's segment the key is escaped once more.
        equal([it["properties_key"] for it in found], [url])
        equal(segment, url if url == "~" else quote(url, safe=""))
        path = f"{B}/e/x/q/b/{segment}"
        equal(get(path)["routing_key"], key)
        equal(done(f"DELETE {path}").status, 204)
        equal(get(f"{B}/e/x/q/b"), [])


@step("a binding with arguments has a key of its own, and keeps their types")
def binding_arguments():
    arguments = {"x-match": "all", "n": 5, "f": 1.5, "b": True, "deep": {"list": [1, "a"]}}
    body = {"routing_key": "r", "arguments": arguments}
    location = done(f"POST {B}/e/amq.headers/q/b", body).headers["Location"]
    (binding,) = get(f"{B}/e/amq.headers/q/b")
    equal(binding["arguments"], arguments)
    assert binding["properties_key"].startswith("r~"), binding
    path = f"{B}/e/amq.headers/q/b/{location.rsplit('/', 1)[1]}"
    equal(get(path)["arguments"], arguments)
    done(f"DELETE {path}")
    equal(get(f"{B}/e/amq.headers/q/b"), [])


@step("bindings with other arguments are others, and the same again is the same")
def binding_twice():
    for body in ({"arguments": {"a": 1}}, {"arguments": {"a": 2}}, {"arguments": {"a": 1}}, {}):
        equal(done(f"POST {B}/e/amq.match/q/b", body).status, 201)
    keys = [it["properties_key"] for it in get(f"{B}/e/amq.match/q/b")]
    equal((len(keys), len(set(keys)), "~" in keys), (3, 3, True))


case(
    "a binding of no queue",
    f"POST {B}/e/x/q/none",
    {},
    (404, has(reason=contains("no queue 'none'"))),
    NOT_FOUND,
)
case("a binding from no exchange", f"POST {B}/e/none/q/b", {}, NOT_FOUND)
case("a binding in no vhost", "POST /bindings/nowhere/e/x/q/b", {}, NOT_FOUND)
case(
    "a binding to the default exchange",
    f"POST {B}/e/amq.default/q/b",
    {},
    REFUSED,
    (400, bad(contains("default exchange"))),
)
case(
    "a binding with x-match any and all",
    f"POST {B}/e/amq.headers/q/b",
    {"arguments": {"x-match": "some"}},
    (400, bad(contains("x-match"))),
)
case("a binding with a key that is no text", f"POST {B}/e/x/q/b", {"routing_key": 5}, 201, 400, 500)
case("an exchange is bound to an exchange", f"POST {B}/e/x/e/amq.fanout", {"routing_key": "r"}, 201)
case(
    "it is in the list",
    f"GET {B}/e/x/e/amq.fanout",
    None,
    (
        200,
        Has(
            [
                has(
                    source="x",
                    destination="amq.fanout",
                    destination_type="exchange",
                    routing_key="r",
                    properties_key="r",
                )
            ]
        ),
    ),
)
case(
    "where it begins",
    f"GET {X}/x/bindings/source",
    None,
    (200, Named({"amq.fanout"}, "destination")),
)
case(
    "where it ends", f"GET {X}/amq.fanout/bindings/destination", None, (200, Named({"x"}, "source"))
)
case(
    "bindings of the default exchange",
    f"GET {X}/amq.default/bindings/source",
    None,
    (200, lambda found: all(it["source"] == "" for it in found) and len(found) >= 1),
)
case(
    "bindings of an exchange that is not there",
    f"GET {X}/none/bindings/source",
    None,
    (200, []),
    NOT_FOUND,
)
case(
    "bindings of a queue that is not there", f"GET {V}/none/bindings", None, (200, list), NOT_FOUND
)
case(
    "bindings between two that are not there", f"GET {B}/e/none/q/none", None, (200, []), NOT_FOUND
)
case(
    "bindings of a vhost",
    "GET /bindings/bound",
    None,
    (200, lambda found: {it["vhost"] for it in found} == {"bound"}),
)
case("all bindings", "GET /bindings", None, (200, lambda found: len(found) > 4))
case("bindings of no vhost", "GET /bindings/nowhere", None, NOT_FOUND)
case("a binding that is not there", f"GET {B}/e/x/q/b/none", None, NOT_FOUND)
case("deleting a binding that is not there", f"DELETE {B}/e/x/q/b/none", None, NOT_FOUND)
case(
    "an exchange that is bound is in use",
    f"DELETE {X}/x?if-unused=true",
    None,
    (400, bad("exchange 'x' in vhost 'bound' in use")),
)
case("it can be deleted all the same", f"DELETE {X}/x", None, (204, EMPTY))
case("its bindings go with it", f"GET {X}/amq.fanout/bindings/destination", None, (200, []))
case(
    "an argument that is null",
    f"PUT {V}/null",
    {"arguments": {"x-own": None}},
    (400, bad("null_not_allowed")),
    201,
)
case("the vhost of bindings goes", "DELETE /vhosts/bound", None, (204, EMPTY))
