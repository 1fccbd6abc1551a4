"""What all programs in this folder share: PROGRAM HOST PORT CONTROL_PORT warren|rabbitmq

A program names its checks with `@checks("name")` and ends with `checks.run()`. Each check prints a
line, and the last line sums up.
"""

import asyncio
import faulthandler
import inspect
import socket
import sys
import time
import traceback

# Where a program hangs is told before the harness ends it.
faulthandler.dump_traceback_later(200, exit=True)
PATIENCE = 30
HOST, PORT, CONTROL, BROKER = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
URI = f"amqp://guest:guest@{HOST}:{PORT}/%2f"


class Skip(Exception):
    """A check that cannot be made, with the reason."""


class Checks:
    def __init__(self):
        self.all = []

    def __call__(self, name, only=None):
        """Takes a function as a check; `only` names the one broker that has the feature."""

        def take(function):
            self.all.append((name, only, function))
            return function

        return take

    def run(self, around=None):
        """Runs all checks; `around` makes what each is called with, a context manager."""
        results = {"ok": 0, "FAILED": 0, "skipped": 0}
        for name, only, function in self.all:
            result, text = asyncio.run(one(only, function, around))
            results[result] += 1
            print(f"{result}: {name}{text}", flush=True)
        passed, failed, skipped = results.values()
        print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
        sys.exit(1 if failed or not passed else 0)


async def one(only, function, around):
    try:
        if only not in (None, BROKER):
            raise Skip(f"only {only} has it")
        if inspect.iscoroutinefunction(function):
            async with around() as given:
                await asyncio.wait_for(function(given), 4 * PATIENCE)
        elif around:
            with around() as given:
                function(given)
        else:
            function()
    except Skip as skip:
        return "skipped", f": {skip}"
    except BaseException as error:
        traceback.print_exc()
        place = traceback.extract_tb(error.__traceback__)[-1]
        ours = [it for it in traceback.extract_tb(error.__traceback__) if "with_" in it.filename]
        line = (ours or [place])[-1].lineno
        return "FAILED", f": line {line}: {type(error).__name__}: {str(error)[:300]!r}"
    return "ok", ""


def control(command):
    """Asks the harness for `restart`, `kill`, `block` or `unblock` of the broker."""
    with socket.create_connection((HOST, CONTROL)) as stream:
        stream.sendall(command.encode() + b"\n")
        answer = stream.makefile().readline().strip()
    if answer == "unavailable":
        raise Skip("the harness cannot do it here")
    assert answer == "ok", answer


def eventually(what, probe, between=lambda: time.sleep(0.02)):
    """The first value of `probe` that is true."""
    deadline = time.monotonic() + PATIENCE
    while True:
        value = probe()
        if value:
            return value
        assert time.monotonic() < deadline, f"it did not come about that {what}"
        between()


def unique(stem, counter=[0]):
    counter[0] += 1
    return f"{stem}-{time.time_ns():x}-{counter[0]}"


def equal(found, expected):
    assert found == expected, f"found {found!r}, expected {expected!r}"
