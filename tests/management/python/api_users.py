"""Users, passwords, tags, permissions, topic permissions and the limits of users."""

from api_base import (
    ALGORITHMS,
    BAD,
    EMPTY,
    NOT_FOUND,
    SHA256,
    api,
    bad,
    case,
    done,
    equal,
    get,
    has,
    hashed,
    login,
    missing,
    starts,
    step,
)

U = "/users"
P = "/permissions/%2F"


# Users.

case(
    "a user is created", f"PUT {U}/ann", {"password": "secret", "tags": "management"}, (201, EMPTY)
)
case(
    "a user is changed", f"PUT {U}/ann", {"password": "secret", "tags": "management"}, (204, EMPTY)
)
case(
    "a user has these members",
    f"GET {U}/ann",
    None,
    (
        200,
        has(
            name="ann", password_hash=str, hashing_algorithm=SHA256, tags=["management"], limits={}
        ),
    ),
)
case("a user without tags", f"PUT {U}/bob", {"password": "x"}, (400, bad("tags_not_present")))
case("a user without a password", f"PUT {U}/bob", {"tags": ""}, 201, 400)
case("a user with an empty password", f"PUT {U}/bob", {"password": "", "tags": ""}, 204, 201, 400)
case(
    "a user whose hash is no base64",
    f"PUT {U}/eve",
    {"password_hash": "xxx", "tags": ""},
    (400, bad(["not_base64", "xxx"])),
    BAD,
)
case("it was not created", f"GET {U}/eve", None, NOT_FOUND)
case("a user that is not there", f"GET {U}/none", None, NOT_FOUND)
case("deleting a user that is not there", f"DELETE {U}/none", None, NOT_FOUND)
case("a body that is no object", f"PUT {U}/ann", [1], (400, bad("not_json")))
case(
    "a user's list",
    f"GET {U}",
    None,
    (200, lambda found: {"ann", "guest"} <= {it["name"] for it in found}),
)
case("a user's list, with a slash", f"GET {U}/", None, (200, list))

for name, tags, found in [
    ("none", "", []),
    ("an empty list", [], []),
    ("a string", "administrator", ["administrator"]),
    ("a string of several", "monitoring,policymaker", ["monitoring", "policymaker"]),
    ("a string with spaces and gaps", "a, b,,c", ["a", "b", "c"]),
    ("a list", ["monitoring", "mine"], ["monitoring", "mine"]),
]:

    @step(f"tags as {name}")
    def tagged(tags=tags, found=found):
        done(f"PUT {U}/tagged", {"password": "x", "tags": tags})
        equal(sorted(get(f"{U}/tagged")["tags"]), sorted(found))


for algorithm in ALGORITHMS:

    @step(f"a user with a hash of {algorithm}")
    def by_hash(algorithm=algorithm):
        told = hashed("pässword", algorithm)
        body = {"password_hash": told, "hashing_algorithm": algorithm, "tags": "management"}
        done(f"PUT {U}/hashed", body)
        user = get(f"{U}/hashed")
        equal((user["password_hash"], user["hashing_algorithm"]), (told, algorithm))
        equal([login("hashed", it) for it in ("pässword", "password", "")], [200, 401, 401])


@step("a hash without its algorithm is SHA-256")
def by_default():
    done(f"PUT {U}/hashed", {"password_hash": hashed("p"), "tags": "management"})
    equal(get(f"{U}/hashed")["hashing_algorithm"], SHA256)
    equal(login("hashed", "p"), 200)


@step("an empty hash lets nobody in")
def no_hash():
    done(f"PUT {U}/hashed", {"password_hash": "", "tags": "management"})
    equal([login("hashed", it) for it in ("", "p")], [401, 401])


@step("a new password takes the place of the old one")
def changed():
    done(f"PUT {U}/ann", {"password": "first", "tags": "management"})
    done(f"PUT {U}/ann", {"password": "second", "tags": "management"})
    equal([login("ann", it) for it in ("first", "second")], [401, 200])


@step("a password may hold anything, a colon too")
def odd_password():
    password = "a:b é€🦊 \"'\\ "
    done(f"PUT {U}/odd", {"password": password, "tags": "management"})
    equal(login("odd", password), 200)


@step("a user's name may hold anything but a colon, to log in")
def odd_name():
    done(f"PUT {U}/a%2Fb%20%C3%A9", {"password": "x", "tags": "management"})
    equal(get(f"{U}/a%2Fb%20%C3%A9")["name"], "a/b é")
    equal(api("GET /whoami", user=("a/b é", "x")).json["name"], "a/b é")
    equal(done(f"DELETE {U}/a%2Fb%20%C3%A9").status, 204)


case(
    "the algorithm of a plain password is the server's choice",
    f"PUT {U}/odd",
    {"password": "x", "tags": "", "hashing_algorithm": "none"},
    204,
    BAD,
)
case(
    "a user without tags may not log in here",
    "GET /whoami",
    None,
    (401, has(error="not_authorised", reason="Not management user")),
    user=("odd", "x"),
)
case(
    "users without permissions",
    f"GET {U}/without-permissions",
    None,
    (
        200,
        lambda found: (
            {"ann", "bob", "odd", "tagged"} <= {it["name"] for it in found}
            and "guest" not in [it["name"] for it in found]
        ),
    ),
)
case(
    "several users are deleted", f"POST {U}/bulk-delete", {"users": ["odd", "tagged"]}, (204, EMPTY)
)
case("they are gone", f"GET {U}/odd", None, NOT_FOUND)
case(
    "several users, one of whom is not there",
    f"POST {U}/bulk-delete",
    {"users": ["none"]},
    (400, bad(["no_such_user", "none"])),
    204,
    NOT_FOUND,
)
case("several users without saying which", f"POST {U}/bulk-delete", {}, missing("users"), BAD)
case("a user is deleted", f"DELETE {U}/hashed", None, (204, EMPTY))

# Permissions.

ALL = {"configure": ".*", "write": ".*", "read": ".*"}
case("permissions are granted", f"PUT {P}/ann", ALL, (201, EMPTY))
case("permissions are changed", f"PUT {P}/ann", {**ALL, "write": "^$"}, (204, EMPTY))
FOUND = {"user": "ann", "vhost": "/", "configure": ".*", "write": "^$", "read": ".*"}
case("permissions are found", f"GET {P}/ann", None, (200, FOUND))
case("permissions by user", f"GET {U}/ann/permissions", None, (200, [FOUND]))
case(
    "permissions by vhost", "GET /vhosts/%2F/permissions", None, (200, lambda found: FOUND in found)
)
case(
    "permissions of all",
    "GET /permissions",
    None,
    (200, lambda found: FOUND in found and len(found) >= 2),
)
for name in ALL:
    case(
        f"permissions without {name}",
        f"PUT {P}/ann",
        {key: value for key, value in ALL.items() if key != name},
        missing(name),
        BAD,
    )
NEITHER = (400, bad("vhost_or_user_not_found"))
case("permissions of a user that is not there", f"PUT {P}/none", ALL, NEITHER)
case("permissions in a vhost that is not there", "PUT /permissions/nowhere/ann", ALL, NEITHER)
case(
    "a pattern that is none",
    f"PUT {P}/ann",
    {**ALL, "configure": "["},
    (400, bad(lambda it: it[0] == "invalid_regexp")),
    BAD,
)
case("permissions that nobody granted", f"GET {P}/bob", None, NOT_FOUND)
case("permissions of nobody", f"GET {P}/none", None, NOT_FOUND)
case("permissions of a user that is none", f"GET {U}/none/permissions", None, NOT_FOUND)
case("permissions of a vhost that is none", "GET /vhosts/nowhere/permissions", None, NOT_FOUND)
case("permissions are taken", f"DELETE {P}/ann", None, (204, EMPTY))
case("permissions are taken again", f"DELETE {P}/ann", None, NOT_FOUND)
case("permissions of nobody are taken", f"DELETE {P}/none", None, NOT_FOUND)

# Topic permissions.

T = "/topic-permissions/%2F/ann"
TOPIC = {"exchange": "amq.topic", "write": "^a", "read": "^b"}
case("topic permissions are granted", f"PUT {T}", TOPIC, (201, EMPTY))
case("topic permissions are changed", f"PUT {T}", {**TOPIC, "read": "^c"}, (204, EMPTY))
case(
    "topic permissions for another exchange",
    f"PUT {T}",
    {**TOPIC, "exchange": "other"},
    (204, EMPTY),
    (201, EMPTY),
)
case(
    "topic permissions for one exchange are taken",
    f"DELETE {T}/other",
    None,
    (204, EMPTY),
    405,
    NOT_FOUND,
)
TOPICS = [{"user": "ann", "vhost": "/", "exchange": "amq.topic", "write": "^a", "read": "^c"}]
for path in (
    T,
    "/topic-permissions",
    f"{U}/ann/topic-permissions",
    "/vhosts/%2F/topic-permissions",
):
    case(f"topic permissions in {path}", f"GET {path}", None, (200, TOPICS))
for name in TOPIC:
    case(
        f"topic permissions without {name}",
        f"PUT {T}",
        {key: value for key, value in TOPIC.items() if key != name},
        missing(name),
        BAD,
    )
case(
    "a topic's pattern that is none",
    f"PUT {T}",
    {**TOPIC, "write": "["},
    (400, bad(lambda it: it[0] == "invalid_regexp")),
    BAD,
)
case("topic permissions of nobody", "PUT /topic-permissions/%2F/none", TOPIC, NEITHER, NOT_FOUND)
case("topic permissions nowhere", "PUT /topic-permissions/nowhere/ann", TOPIC, NEITHER, NOT_FOUND)
case("topic permissions are taken", f"DELETE {T}", None, (204, EMPTY))
case("topic permissions that are gone", f"GET {T}", None, NOT_FOUND)
case("topic permissions are taken again", f"DELETE {T}", None, NOT_FOUND)

# Limits.

L = "/user-limits/ann"
case("a user's limit", f"PUT {L}/max-connections", {"value": 3}, (204, EMPTY), 201)
case("another one", f"PUT {L}/max-channels", {"value": 7}, (204, EMPTY), 201)
LIMITS = {"user": "ann", "value": {"max-connections": 3, "max-channels": 7}}
case("limits of a user", f"GET {L}", None, (200, [LIMITS]))
case("limits of all users", "GET /user-limits", None, (200, [LIMITS]))
case("limits are among what a user has", f"GET {U}/ann", None, (200, has(limits=LIMITS["value"])))
case(
    "a user without limits",
    "GET /user-limits/bob",
    None,
    (200, []),
    (200, [{"user": "bob", "value": {}}]),
)
case(
    "a limit of a user that is not there",
    "PUT /user-limits/none/max-channels",
    {"value": 1},
    (400, bad(["no_such_user", "none"])),
    BAD,
    NOT_FOUND,
)
case("limits of a user that is not there", "GET /user-limits/none", None, NOT_FOUND)
case(
    "a limit that nobody knows",
    f"PUT {L}/max-cats",
    {"value": 1},
    (400, bad(starts("Unrecognised terms"))),
    BAD,
)
case(
    "a limit that is no number",
    f"PUT {L}/max-channels",
    {"value": "x"},
    (400, bad(starts("max-channels should be a number"))),
    BAD,
)
case("a limit without a value", f"PUT {L}/max-channels", {}, missing("value"), BAD)
case("a limit is lifted", f"DELETE {L}/max-channels", None, (204, EMPTY))
case("it is lifted again", f"DELETE {L}/max-channels", None, 204)
case(
    "the other one is left",
    f"GET {L}",
    None,
    (200, [{"user": "ann", "value": {"max-connections": 3}}]),
)


@step("what belongs to a user goes with it")
def gone():
    done(f"PUT {P}/ann", ALL)
    done(f"PUT {T}", TOPIC)
    equal(done(f"DELETE {U}/ann").status, 204)
    assert "ann" not in [it["user"] for it in get("/permissions") + get("/topic-permissions")]
    done(f"PUT {U}/ann", {"password": "x", "tags": ""})
    equal(get(f"{U}/ann/permissions"), [])
    done(f"DELETE {U}/ann")
    done(f"DELETE {U}/bob")


@step("the user guest stays as it was")
def guest():
    equal(get(f"{U}/guest")["tags"], ["administrator"])
    assert "/" in [it["vhost"] for it in get(f"{U}/guest/permissions")]
