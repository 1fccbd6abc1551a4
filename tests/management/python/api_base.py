"""What the cases of the HTTP API share: requests, and what their answers are held against.

A case is a line: its name, the request, its body, and the answers that are accepted. The first one
is what RabbitMQ 3.10.8 was seen to answer; those after it are as good, because RabbitMQ 4 answers
so or because no client can tell. An answer is a status, or a status with what its body must be.
"""

import base64
import hashlib
import http.client
import json
import sys

from check import HOST, Checks, equal, eventually, unique  # noqa: F401

HTTP = int(sys.argv[5])
GUEST = ("guest", "guest")
checks = Checks()


class Reply:
    def __init__(self, status, headers, raw):
        self.status, self.headers, self.raw = status, headers, raw

    @property
    def json(self):
        return json.loads(self.raw)

    def __repr__(self):
        return f"{self.status} {self.raw[:600]!r}"


class Raw(bytes):
    """A body that is sent as it is, whatever it is."""


def api(request, body=None, user=GUEST, headers=(), port=HTTP):
    """`GET /path`, with JSON or raw bytes as body, by a user with a password or by nobody."""
    method, path = request.split(" ", 1)
    headers = dict(headers)
    if user:
        credentials = base64.b64encode(":".join(user).encode()).decode()
        headers.setdefault("Authorization", f"Basic {credentials}")
    if body is not None and not isinstance(body, Raw):
        headers.setdefault("Content-Type", "application/json")
        body = json.dumps(body)
    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    try:
        connection.request(method, "/api" + path, body, headers)
        answer = connection.getresponse()
        return Reply(answer.status, answer.headers, answer.read())
    finally:
        connection.close()


def get(path, **more):
    """What is there, which must be found."""
    reply = api(f"GET {path}", **more)
    assert reply.status == 200, reply
    return reply.json


def done(request, body=None, **more):
    """A request that must succeed, as a step on the way."""
    reply = api(request, body, **more)
    assert reply.status in (200, 201, 204), f"{request}: {reply}"
    return reply


SHA256 = "rabbit_password_hashing_sha256"
ALGORITHMS = {
    SHA256: hashlib.sha256,
    "rabbit_password_hashing_sha512": hashlib.sha512,
    "rabbit_password_hashing_md5": hashlib.md5,
}


def hashed(password, algorithm=SHA256, salt=b"\x90\x8d\xc6\x0a"):
    """A hash as RabbitMQ stores it: the salt, and what comes of salt and password."""
    return base64.b64encode(
        salt + ALGORITHMS[algorithm](salt + password.encode()).digest()
    ).decode()


def login(name, password):
    """The status that a user is answered with."""
    return api("GET /whoami", user=(name, password)).status


# What bodies are held against.


class Has:
    """An object with these members at least, each as said, or a list with as many elements."""

    def __init__(self, members):
        self.members = members

    def __repr__(self):
        return f"has {self.members!r}"


def has(**members):
    return Has(members)


class Named:
    """A list of objects with just these names, in this order if it is a list."""

    def __init__(self, names, key="name"):
        self.names, self.key = names, key

    def __repr__(self):
        return f"a list of {self.names!r}"


EMPTY = object()


def fits(found, expected):
    if isinstance(expected, Has):
        if isinstance(found, list):
            return len(found) == len(expected.members) and all(map(fits, found, expected.members))
        return isinstance(found, dict) and all(
            key in found and fits(found[key], value) for key, value in expected.members.items()
        )
    if isinstance(expected, Named):
        names = [it[expected.key] for it in found]
        if isinstance(expected.names, list):
            return names == expected.names
        return len(names) == len(expected.names) and set(names) == expected.names
    if isinstance(expected, type):
        # A truth value is no number, though Python thinks so.
        return isinstance(found, expected) and (expected is bool) == isinstance(found, bool)
    if callable(expected):
        return expected(found)
    return found == expected and isinstance(found, bool) == isinstance(expected, bool)


def error(kind, reason):
    return Has({"error": kind, "reason": reason})


def bad(reason):
    return error("bad_request", reason)


def starts(text):
    return lambda found: isinstance(found, str) and found.startswith(text)


def contains(text):
    return lambda found: text in found


def missing(name):
    """A member of the request's body is not there."""
    return (400, bad(f"[{{key_missing,{name}}}]"))


NOT_FOUND = (404, has(error=str, reason=str))
# A request that makes no sense, where nobody compares what exactly is said about it.
BAD = (400, error("bad_request", lambda reason: isinstance(reason, (str, list)) and reason))
REFUSED = (401, error("not_authorised", str))


def accepts(reply, accepted):
    status, body = accepted if isinstance(accepted, tuple) else (accepted, None)
    if reply.status != status:
        return False
    if body is None:
        return True
    if body is EMPTY:
        return reply.raw == b""
    if isinstance(body, bytes):
        return reply.raw == body
    try:
        return fits(reply.json, body)
    except ValueError:
        return False


waiting = []


def prepared(*requests):
    """Requests that must succeed before the next check; they are none of their own."""
    waiting.extend(requests)


def case(name, request, body=None, *accepted, user=GUEST, headers=()):
    """A check of one request."""

    @step(name)
    def run():
        reply = api(request, body, user, headers)
        told = f"{request} {body!r:.200} was answered with {reply}"
        assert any(accepts(reply, one) for one in accepted), told


def step(name):
    """A check of several requests, as a function."""
    before = waiting[:]
    waiting.clear()

    def take(function):
        def run():
            for request in before:
                done(*request) if isinstance(request, tuple) else done(request)
            function()

        checks(name)(run)

    return take
