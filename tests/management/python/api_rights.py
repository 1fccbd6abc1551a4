"""Who may do what: every route with every tag, with and without permissions for the vhost."""

from api_base import api, done, equal, get, step

TAGS = ["none", "management", "policymaker", "monitoring", "administrator"]
ALL = {"configure": ".*", "write": ".*", "read": ".*"}
DEFINITION = {"pattern": "^none$", "definition": {"max-length": 1}}
MESSAGE = {"properties": {}, "routing_key": "x", "payload": "", "payload_encoding": "string"}
FETCH = {"count": 1, "ackmode": "ack_requeue_true", "encoding": "auto"}


def users(suffix):
    return {tag: (tag + suffix, "secret") for tag in TAGS}


MEMBERS, STRANGERS = users("-member"), users("-stranger")


@step("users with every tag")
def made():
    done("PUT /vhosts/rights")
    done("PUT /queues/rights/q", {})
    done("PUT /exchanges/rights/x", {"type": "fanout"})
    for tag in TAGS:
        for name, password in (MEMBERS[tag], STRANGERS[tag]):
            done(f"PUT /users/{name}", {"password": password, "tags": tag.replace("none", "")})
        done(f"PUT /permissions/rights/{MEMBERS[tag][0]}", ALL)


# Whom a route answers, of those with and those without permissions for the vhost; of several, any
# will do. All others get 401 with `not_authorised`, as all do who have no tag.
ANY = "management policymaker monitoring administrator"
WATCH = "monitoring administrator"
# RabbitMQ 4 answers some health checks to everybody.
ALL_WELL = "none management policymaker monitoring administrator"
POLICY = "policymaker administrator"
ADMIN = "administrator"
# RabbitMQ 3.10.8 hides a vhost from monitoring users without permissions, while it shows them all
# queues of all vhosts together; its documentation says that they see all.
SEEN = (ADMIN, WATCH)
ROUTES = [
    ("GET /whoami", None, ANY, ANY),
    ("GET /overview", None, ANY, ANY),
    ("GET /extensions", None, ANY, ANY),
    ("GET /cluster-name", None, ANY, ANY),
    ("PUT /cluster-name", {"name": "x"}, ADMIN, ADMIN),
    ("GET /nodes", None, WATCH, WATCH),
    ("GET /connections", None, ANY, ANY),
    ("GET /channels", None, ANY, ANY),
    ("GET /consumers", None, ANY, ANY),
    ("GET /exchanges", None, ANY, ANY),
    ("GET /queues", None, ANY, ANY),
    ("GET /bindings", None, ANY, ANY),
    ("GET /vhosts", None, ANY, ANY),
    ("GET /vhosts/rights", None, (ADMIN, ANY), SEEN),
    ("GET /vhosts/rights/connections", None, ANY, SEEN),
    ("GET /vhosts/rights/channels", None, ANY, SEEN),
    ("GET /vhosts/rights/permissions", None, ADMIN, ADMIN),
    ("GET /consumers/rights", None, ANY, (ANY, WATCH, ADMIN)),
    ("GET /queues/rights", None, ANY, SEEN),
    ("GET /queues/rights/q", None, ANY, SEEN),
    ("GET /queues/rights/q/bindings", None, ANY, SEEN),
    ("GET /exchanges/rights", None, ANY, SEEN),
    ("GET /exchanges/rights/x", None, ANY, SEEN),
    ("GET /exchanges/rights/x/bindings/source", None, ANY, SEEN),
    ("GET /bindings/rights", None, ANY, SEEN),
    ("GET /bindings/rights/e/x/q/q", None, ANY, SEEN),
    ("PUT /queues/rights/new", {}, ANY, ""),
    ("PUT /exchanges/rights/new", {"type": "fanout"}, ANY, ""),
    ("POST /bindings/rights/e/x/q/q", {}, ANY, ""),
    ("POST /exchanges/rights/x/publish", MESSAGE, ANY, ""),
    ("POST /queues/rights/q/get", FETCH, ANY, ""),
    ("DELETE /queues/rights/q/contents", None, ANY, ""),
    ("GET /policies", None, ANY, ANY),
    ("GET /policies/rights", None, ANY, SEEN),
    ("PUT /policies/rights/p", DEFINITION, POLICY, (ADMIN, "")),
    ("GET /operator-policies/rights", None, ANY, SEEN),
    ("PUT /operator-policies/rights/p", DEFINITION, ADMIN, ADMIN),
    ("GET /parameters", None, POLICY, POLICY),
    ("GET /parameters/vhost-limits/rights", None, POLICY, (ADMIN, "")),
    ("GET /global-parameters", None, POLICY, POLICY),
    ("PUT /global-parameters/g", {"value": 1}, (POLICY, ADMIN), (POLICY, ADMIN)),
    ("GET /vhost-limits", None, ANY, ANY),
    ("GET /vhost-limits/rights", None, ANY, SEEN),
    ("PUT /vhost-limits/rights/max-queues", {"value": 99}, ADMIN, ADMIN),
    ("GET /users", None, ADMIN, ADMIN),
    ("GET /users/guest", None, ADMIN, ADMIN),
    ("GET /users/guest/permissions", None, ADMIN, ADMIN),
    ("PUT /users/new", {"password": "x", "tags": ""}, ADMIN, ADMIN),
    ("GET /user-limits", None, (ANY, ADMIN), (ANY, ADMIN)),
    ("PUT /user-limits/new/max-channels", {"value": 5}, ADMIN, ADMIN),
    ("GET /permissions", None, ADMIN, ADMIN),
    ("PUT /permissions/rights/new", ALL, ADMIN, ADMIN),
    ("GET /topic-permissions", None, ADMIN, ADMIN),
    ("PUT /vhosts/new", {}, ADMIN, ADMIN),
    ("GET /definitions", None, ADMIN, ADMIN),
    ("GET /definitions/rights", None, ADMIN, ADMIN),
    ("POST /definitions", {}, ADMIN, ADMIN),
    ("GET /aliveness-test/rights", None, ANY, ""),
    ("GET /health/checks/alarms", None, (ANY, ALL_WELL), (ANY, ALL_WELL)),
    ("GET /health/checks/local-alarms", None, (ANY, ALL_WELL), (ANY, ALL_WELL)),
    ("GET /feature-flags", None, (ADMIN, ANY), (ADMIN, ANY)),
    ("POST /rebalance/queues", {}, ADMIN, ADMIN),
]
for request, body, members, strangers in ROUTES:

    @step(f"who may {request}")
    def may(request=request, body=body, members=members, strangers=strangers):
        found = []
        for group in (MEMBERS, STRANGERS):
            allowed = []
            for tag, user in group.items():
                reply = api(request, body, user)
                if reply.status == 401:
                    assert reply.json["error"] in ("not_authorised", "not_authorized"), reply
                    assert reply.json["reason"], reply
                else:
                    assert reply.status in (200, 201, 204), (user, reply)
                    allowed.append(tag)
            found.append(" ".join(allowed))
        for allowed, accepted in zip(found, (members, strangers)):
            accepted = accepted if isinstance(accepted, tuple) else (accepted,)
            assert allowed in accepted, f"{found} may, expected {members!r} and {strangers!r}"


@step("lists have what their reader may see")
def seen():
    def vhosts(path, user, key="vhost"):
        return {it[key] for it in get(path, user=user)}

    equal(vhosts("/queues", MEMBERS["management"]), {"rights"})
    equal(vhosts("/exchanges", MEMBERS["management"]), {"rights"})
    equal(vhosts("/vhosts", MEMBERS["management"], "name"), {"rights"})
    equal(vhosts("/queues", STRANGERS["management"]), set())
    equal(vhosts("/vhosts", STRANGERS["policymaker"], "name"), set())
    assert "/" in vhosts("/vhosts", STRANGERS["monitoring"], "name")


@step("the permissions for names hold here as they do in AMQP")
def names():
    member = MEMBERS["management"]
    done(
        f"PUT /permissions/rights/{member[0]}", {"configure": "^c-", "write": "^w-", "read": "^r-"}
    )
    for name in ("c-q", "other"):
        done(f"PUT /queues/rights/{name}", {})
    equal(api("PUT /queues/rights/c-new", {}, member).status, 201)
    for request, body in [
        ("PUT /queues/rights/new2", {}),
        ("DELETE /queues/rights/other", None),
        ("PUT /exchanges/rights/new2", {"type": "fanout"}),
        ("DELETE /queues/rights/other/contents", None),
        ("POST /queues/rights/other/get", FETCH),
        ("POST /exchanges/rights/x/publish", MESSAGE),
        ("POST /bindings/rights/e/x/q/other", {}),
    ]:
        reply = api(request, body, member)
        assert reply.status in (400, 401), f"{request}: {reply}"
        assert (
            "403" in reply.json["reason"] or reply.status == 401 or "access" in reply.json["reason"]
        )
    done(f"PUT /permissions/rights/{member[0]}", ALL)


@step("a user may see its own limits and permissions no more than others'")
def own():
    name, password = MEMBERS["management"]
    for path in (f"/users/{name}", f"/users/{name}/permissions"):
        equal(api(f"GET {path}", user=(name, password)).status, 401)


@step("a user without a tag may log in to AMQP alone")
def untagged():
    reply = api("GET /whoami", user=MEMBERS["none"])
    equal((reply.status, reply.json["reason"]), (401, "Not management user"))


@step("users that are deleted may do nothing more")
def deleted():
    for group in (MEMBERS, STRANGERS):
        for name, password in group.values():
            done(f"DELETE /users/{name}")
            equal(api("GET /whoami", user=(name, password)).status, 401)
    for path in ("/users/new", "/vhosts/new", "/vhosts/rights", "/global-parameters/g"):
        done(f"DELETE {path}")
