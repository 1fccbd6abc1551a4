"""Virtual hosts and their limits, policies, operator policies, parameters, global parameters."""

from api_base import (
    BAD,
    EMPTY,
    NOT_FOUND,
    Named,
    api,
    bad,
    case,
    contains,
    done,
    equal,
    error,
    eventually,
    get,
    has,
    missing,
    starts,
    step,
)

# Virtual hosts.

case("a vhost is created", "PUT /vhosts/v", {}, (201, EMPTY))
case("a vhost is there already", "PUT /vhosts/v", {}, (204, EMPTY))
case("a vhost without a body", "PUT /vhosts/v", None, (204, EMPTY))
case("a vhost is described", "PUT /vhosts/v", {"description": "mine", "tags": "a,b"}, (204, EMPTY))
case(
    "a vhost has these members",
    "GET /vhosts/v",
    None,
    (
        200,
        has(
            name="v",
            description="mine",
            tags=["a", "b"],
            default_queue_type=str,
            metadata=has(description="mine", tags=["a", "b"]),
            tracing=False,
            cluster_state=dict,
        ),
    ),
)
case("tags of a vhost as a list", "PUT /vhosts/w", {"tags": ["x", "y"]}, (201, EMPTY))
case("they are found", "GET /vhosts/w", None, (200, has(tags=["x", "y"])))
case("tracing of a vhost", "PUT /vhosts/w", {"tracing": True}, 204)
case("it is on", "GET /vhosts/w", None, (200, has(tracing=True)), (200, has(tracing=False)))
case("vhosts", "GET /vhosts", None, (200, Named({"/", "v", "w"})))
case(
    "a vhost of an unknown type of queue", "PUT /vhosts/u", {"default_queue_type": "cats"}, 201, BAD
)
case("a vhost with a slash", "PUT /vhosts/a%2Fb", {}, (201, EMPTY))
case("it is found by its escape", "GET /vhosts/a%2Fb", None, (200, has(name="a/b")))
case("it is deleted by its escape", "DELETE /vhosts/a%2Fb", None, (204, EMPTY))
case("a vhost that is not there", "GET /vhosts/nowhere", None, NOT_FOUND)
case("deleting a vhost that is not there", "DELETE /vhosts/nowhere", None, NOT_FOUND)
case("a vhost without a name", "PUT /vhosts/", {}, 405, BAD)
case(
    "who creates a vhost may use it",
    "GET /permissions/v/guest",
    None,
    (200, {"user": "guest", "vhost": "v", "configure": ".*", "write": ".*", "read": ".*"}),
)
case(
    "a vhost is started where it is not", "POST /vhosts/v/start/none@nowhere", None, BAD, NOT_FOUND
)

# Limits of virtual hosts.

L = "/vhost-limits/v"
case("a limit", f"PUT {L}/max-queues", {"value": 2}, (204, EMPTY), 201)
case("another limit, which is none", f"PUT {L}/max-connections", {"value": -1}, (204, EMPTY), 201)
LIMITS = {"vhost": "v", "value": {"max-queues": 2, "max-connections": -1}}
case("limits of a vhost", f"GET {L}", None, (200, [LIMITS]))
case("limits of all", "GET /vhost-limits", None, (200, [LIMITS]))
case(
    "a vhost without limits",
    "GET /vhost-limits/w",
    None,
    (200, []),
    (200, [{"vhost": "w", "value": {}}]),
)
case("limits nowhere", "GET /vhost-limits/nowhere", None, NOT_FOUND)
case(
    "a limit nowhere",
    "PUT /vhost-limits/nowhere/max-queues",
    {"value": 1},
    (404, error("not_found", "vhost_not_found")),
    NOT_FOUND,
)
case(
    "a limit that nobody knows",
    f"PUT {L}/max-cats",
    {"value": 1},
    (400, bad(contains("Unrecognised terms"))),
    BAD,
)
case(
    "a limit that is no number",
    f"PUT {L}/max-queues",
    {"value": "x"},
    (400, bad(contains("max-queues should be a number"))),
    BAD,
)
case("a limit without a value", f"PUT {L}/max-queues", {}, missing("value"), BAD)


@step("a limit of queues holds")
def limited():
    for name in "ab":
        equal(done(f"PUT /queues/v/{name}", {}).status, 201)
    reply = api("PUT /queues/v/c", {})
    equal((reply.status, reply.json["error"]), (400, "bad_request"))
    expected = "cannot declare queue 'c': queue limit in vhost 'v' (2) is reached"
    equal(reply.json["reason"], expected)
    equal(done("PUT /queues/v/a", {}).status, 204)


case("a limit is lifted", f"DELETE {L}/max-queues", None, (204, EMPTY))
case("it is lifted again", f"DELETE {L}/max-queues", None, 204)
case("a queue more", "PUT /queues/v/c", {}, (201, EMPTY))

# Policies.

P = "/policies/v"
case(
    "a policy is created",
    f"PUT {P}/p",
    {"pattern": "^c", "definition": {"max-length": 1}},
    (201, EMPTY),
)
case(
    "a policy is for all, with priority 0",
    f"GET {P}/p",
    None,
    (
        200,
        {
            "vhost": "v",
            "name": "p",
            "pattern": "^c",
            "apply-to": "all",
            "definition": {"max-length": 1},
            "priority": 0,
        },
    ),
)
DEFINITION = {
    "max-length": 7,
    "max-length-bytes": 100000,
    "message-ttl": 60000,
    "expires": 3600000,
    "overflow": "reject-publish",
    "dead-letter-exchange": "dead",
    "dead-letter-routing-key": "key",
}
WHOLE = {"pattern": "^[cd]$", "definition": DEFINITION, "priority": 5, "apply-to": "queues"}
case("a policy is changed", f"PUT {P}/p", WHOLE, (204, EMPTY))
FOUND = {**WHOLE, "vhost": "v", "name": "p"}
case("it has become that", f"GET {P}/p", None, (200, FOUND))
case("policies of a vhost", f"GET {P}", None, (200, [FOUND]))
case("policies of all", "GET /policies", None, (200, [FOUND]))


@step("a queue tells its policy")
def applied():
    def told():
        queue = get("/queues/v/c")
        return queue if queue.get("policy") == "p" else None

    queue = eventually("the policy is told", told)
    equal(queue["effective_policy_definition"], DEFINITION)
    assert not queue.get("operator_policy"), queue


for name in ("pattern", "definition"):
    case(
        f"a policy without {name}",
        f"PUT {P}/bad",
        {key: value for key, value in WHOLE.items() if key != name},
        missing(name),
        BAD,
    )
FAILED = "Validation failed\n\n"
for name, more, reason in [
    ("a pattern that is none", {"pattern": "["}, "pattern should be regular expression"),
    ("a pattern that is a number", {"pattern": 5}, "pattern should be a binary"),
    ("an empty definition", {"definition": {}}, "no policy provided"),
    ("a key that nobody knows", {"definition": {"cats": 1}}, ""),
    ("a negative length", {"definition": {"max-length": -1}}, "-1 is not a valid maximum length"),
    ("a time that is text", {"definition": {"message-ttl": "x"}}, ""),
    ("an overflow that is none", {"definition": {"overflow": "spill"}}, ""),
    ("things that are none", {"apply-to": "cats"}, "apply-to 'cats' unrecognised"),
    ("a priority that is text", {"priority": "high"}, "priority should be a number"),
]:
    case(
        f"a policy with {name}",
        f"PUT {P}/bad",
        {**WHOLE, **more},
        (400, bad(starts(FAILED + reason))),
        BAD,
    )
case(
    "a policy nowhere",
    "PUT /policies/nowhere/p",
    WHOLE,
    (404, error("not_found", "vhost_not_found")),
    NOT_FOUND,
)
case("policies nowhere", "GET /policies/nowhere", None, NOT_FOUND)
case("a policy that is not there", f"GET {P}/none", None, NOT_FOUND)
case("deleting a policy that is not there", f"DELETE {P}/none", None, NOT_FOUND)
case("a policy's name with a slash", f"PUT {P}/a%2Fb%20c", WHOLE, (201, EMPTY))
case("it is found", f"GET {P}/a%2Fb%20c", None, (200, has(name="a/b c")))
case("it is deleted", f"DELETE {P}/a%2Fb%20c", None, (204, EMPTY))
for kind in ("exchanges", "all", "queues"):
    case(
        f"a policy for {kind}",
        f"PUT {P}/kind",
        {"pattern": "^none$", "definition": {"max-length": 1}, "apply-to": kind},
        201,
        204,
        BAD,
    )
case("it is deleted, too", f"DELETE {P}/kind", None, 204)
case(
    "a policy for exchanges",
    f"PUT {P}/ae",
    {"pattern": "^x$", "definition": {"alternate-exchange": "amq.fanout"}, "apply-to": "exchanges"},
    (201, EMPTY),
)


@step("an exchange tells its policy")
def exchange_policy():
    done("PUT /exchanges/v/x", {"type": "direct"})
    equal(get("/exchanges/v/x")["policy"], "ae")


# Operator policies.

O = "/operator-policies/v"
LESS = {"pattern": "^c$", "definition": {"max-length": 3}, "apply-to": "queues"}
case("an operator policy", f"PUT {O}/o", LESS, (201, EMPTY))
case("an operator policy is there already", f"PUT {O}/o", LESS, (204, EMPTY))
TOLD = {**LESS, "vhost": "v", "name": "o", "priority": 0}
case("it is found", f"GET {O}/o", None, (200, TOLD))
case("operator policies of a vhost", f"GET {O}", None, (200, [TOLD]))
case("operator policies of all", "GET /operator-policies", None, (200, [TOLD]))
case("it is no policy", f"GET {P}/o", None, NOT_FOUND)
case(
    "an operator policy of what it may not say",
    f"PUT {O}/bad",
    {**LESS, "definition": {"dead-letter-exchange": "x"}},
    (400, bad(starts(FAILED))),
    BAD,
)
case(
    "an operator policy without a pattern",
    f"PUT {O}/bad",
    {"definition": {"max-length": 1}},
    missing("pattern"),
    BAD,
)
case("operator policies nowhere", "GET /operator-policies/nowhere", None, NOT_FOUND)
case("an operator policy that is not there", f"GET {O}/none", None, NOT_FOUND)


@step("the lesser of both lengths counts")
def merged():
    def told():
        queue = get("/queues/v/c")
        return queue if queue.get("operator_policy") == "o" else None

    queue = eventually("the operator policy is told", told)
    equal(queue["policy"], "p")
    equal(queue["effective_policy_definition"], {**DEFINITION, "max-length": 3})


case("an operator policy is deleted", f"DELETE {O}/o", None, (204, EMPTY))
case("an operator policy is deleted again", f"DELETE {O}/o", None, NOT_FOUND)

# Parameters.

A = "/parameters"
case(
    "limits are a parameter",
    f"PUT {A}/vhost-limits/v/limits",
    {"value": {"max-queues": 9}},
    (201, EMPTY),
    (204, EMPTY),
)
PARAMETER = {
    "component": "vhost-limits",
    "vhost": "v",
    "name": "limits",
    "value": {"max-queues": 9},
}
case("a parameter", f"GET {A}/vhost-limits/v/limits", None, (200, PARAMETER))
case("parameters of a component and a vhost", f"GET {A}/vhost-limits/v", None, (200, [PARAMETER]))
case("parameters of a component", f"GET {A}/vhost-limits", None, (200, [PARAMETER]))
case("parameters", f"GET {A}", None, (200, lambda found: PARAMETER in found))
case("a parameter is deleted", f"DELETE {A}/vhost-limits/v/limits", None, (204, EMPTY))
case("a parameter is deleted again", f"DELETE {A}/vhost-limits/v/limits", None, NOT_FOUND)
case("a parameter that is gone", f"GET {A}/vhost-limits/v/limits", None, NOT_FOUND)
case(
    "a component that nobody knows",
    f"PUT {A}/cats/v/x",
    {"value": {}},
    (400, bad(starts(FAILED + "component cats not found"))),
    BAD,
)
case("parameters of a component that nobody knows", f"GET {A}/cats", None, (200, []), NOT_FOUND)
case(
    "a parameter nowhere",
    f"PUT {A}/vhost-limits/nowhere/limits",
    {"value": {"max-queues": 1}},
    (404, error("not_found", "vhost_not_found")),
    NOT_FOUND,
)
case("parameters nowhere", f"GET {A}/vhost-limits/nowhere", None, NOT_FOUND)
case("a parameter without a value", f"PUT {A}/vhost-limits/v/limits", {}, missing("value"), BAD)

# Global parameters.

G = "/global-parameters"
case(
    "a global parameter", f"PUT {G}/g", {"value": {"deep": [1, "a", None, True, 1.5]}}, (201, EMPTY)
)
case(
    "it is found as it was",
    f"GET {G}/g",
    None,
    (200, {"name": "g", "value": {"deep": [1, "a", None, True, 1.5]}}),
)
case("it is changed", f"PUT {G}/g", {"value": 5}, (204, EMPTY))
case(
    "it is among others", f"GET {G}", None, (200, lambda found: {"name": "g", "value": 5} in found)
)
case("a global parameter without a value", f"PUT {G}/h", {}, missing("value"), BAD)
case("a global parameter that is not there", f"GET {G}/none", None, NOT_FOUND)
case("a global parameter is deleted", f"DELETE {G}/g", None, (204, EMPTY))
case("it is deleted again", f"DELETE {G}/g", None, NOT_FOUND)
case("a name with a slash", f"PUT {G}/a%2Fb", {"value": "x"}, (201, EMPTY))
case("it is found by its escape", f"GET {G}/a%2Fb", None, (200, {"name": "a/b", "value": "x"}))
case("it is deleted by its escape", f"DELETE {G}/a%2Fb", None, (204, EMPTY))

for name in "vw":
    case(f"vhost {name} goes", f"DELETE /vhosts/{name}", None, (204, EMPTY))
case("its policies go with it", "GET /policies", None, (200, []))
case(
    "its permissions go with it",
    "GET /permissions",
    None,
    (200, lambda found: "v" not in [it["vhost"] for it in found]),
)


@step("the vhost of odd queues goes, if it is there")
def leftovers():
    assert api("DELETE /vhosts/u").status in (204, 404)
