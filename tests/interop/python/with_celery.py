"""Checks a broker with Celery: a worker does tasks.py; see check.py for the arguments."""

import os
import signal
import subprocess
import sys
import tempfile
import time

from check import PATIENCE, URI, Checks, control, equal, eventually

checks = Checks()
FOLDER = tempfile.mkdtemp(prefix="celery-", dir=os.getcwd())
HERE = os.path.dirname(os.path.abspath(__file__))
# Workers start slowly where many programs share few cores.
START_SECONDS = 90
os.mkdir(os.path.join(FOLDER, "results"))
os.environ["INTEROP_FOLDER"] = FOLDER
os.environ["INTEROP_URI"] = URI.replace("%2f", "/")
sys.path.insert(0, HERE)

import tasks  # noqa: E402, it reads the variables
from celery import chain, chord, group  # noqa: E402

workers = {}


def start(name, *arguments):
    """A worker in a process of its own."""
    log = open(os.path.join(FOLDER, f"{name}.log"), "ab")
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "-n", f"{name}@localhost",
               "--loglevel", "info", *arguments]
    workers[name] = subprocess.Popen(command, cwd=HERE, stdout=log, stderr=log)
    return workers[name]


def ready(name):
    def ping():
        return tasks.app.control.inspect([f"{name}@localhost"], timeout=1).ping()

    deadline = time.monotonic() + START_SECONDS
    while not ping():
        assert time.monotonic() < deadline, f"the worker {name} does not answer"
        assert workers[name].poll() is None, f"the worker {name} ended"


def stop(name):
    workers[name].send_signal(signal.SIGTERM)
    workers.pop(name).wait(PATIENCE)


def lines(name):
    try:
        with open(os.path.join(FOLDER, name), encoding="utf-8") as file:
            return file.read().split("\n")[:-1]
    except FileNotFoundError:
        return []


@checks("a worker starts and answers over its control queues")
def starts():
    start("main", "-Q", "interop", "-c", "2")
    ready("main")
    name = "main@localhost"
    found = tasks.app.control.inspect([name], timeout=5).registered()
    assert "tasks.add" in found[name], found
    queues = tasks.app.control.inspect([name], timeout=5).active_queues()[name]
    equal([queue["name"] for queue in queues], ["interop"])


@checks("a task's result comes")
def simple():
    equal(tasks.add.delay(2, 3).get(timeout=PATIENCE), 5)


@checks("chains, groups and chords")
def canvas():
    equal(chain(tasks.add.s(1, 2), tasks.add.s(3), tasks.add.s(4))().get(timeout=PATIENCE), 10)
    found = group(tasks.add.s(n, n) for n in range(20))().get(timeout=PATIENCE)
    equal(found, [2 * n for n in range(20)])
    found = chord(tasks.add.s(n, n) for n in range(10))(tasks.total.s()).get(timeout=PATIENCE)
    equal(found, 90)


@checks("a failing task is retried")
def retried():
    equal(tasks.flaky.delay(2).get(timeout=PATIENCE), 2)


@checks("more tasks with an ETA than the prefetch do not stop others")
def eta():
    waiting = [tasks.add.apply_async((n, 0), countdown=3600) for n in range(30)]
    soon = [tasks.add.apply_async((n, 1), countdown=2) for n in range(20)]
    equal(tasks.add.delay(2, 2).get(timeout=PATIENCE), 4)
    equal([task.get(timeout=PATIENCE) for task in soon], [n + 1 for n in range(20)])
    tasks.app.control.revoke([task.id for task in waiting])


@checks("tasks of a higher priority come first")
def priorities():
    for priority in 1, 9, 5, 9, 1:
        tasks.record.apply_async((str(priority),), priority=priority)
    start("ordered", "-Q", "interop-ordered", "-c", "1", "-P", "solo")
    eventually("all are recorded", lambda: len(lines("recorded")) == 5)
    equal(lines("recorded"), ["9", "9", "5", "1", "1"])
    stop("ordered")


@checks("a task is done again when its worker is killed")
def worker_killed():
    start("doomed", "-Q", "interop-doomed", "-c", "1", "-P", "solo")
    ready("doomed")
    result = tasks.slow.apply_async((20,), queue="interop-doomed")
    eventually("it has begun", lambda: lines("slow"))
    doomed = workers.pop("doomed")
    doomed.kill()
    doomed.wait()
    start("heir", "-Q", "interop-doomed", "-c", "1", "-P", "solo")
    eventually("it is begun again", lambda: len(lines("slow")) == 2)
    equal([line.split()[1] for line in lines("slow")], ["False", "True"])
    stop("heir") if result.ready() else workers.pop("heir").kill()


@checks("a purge empties a queue")
def purge():
    for number in range(7):
        tasks.record.apply_async((str(number),), queue="interop-unread")
    with tasks.app.connection_for_write() as connection:
        equal(connection.default_channel.queue_purge("interop-unread"), 7)


def recover(command):
    """The worker comes back by itself, and nothing that was sent is lost."""
    before = [tasks.add.apply_async((n, 0), countdown=1) for n in range(10)]
    control(command)
    after = [tasks.add.apply_async((n, 1), retry=True,
                                   retry_policy={"max_retries": 50, "interval_max": 1})
             for n in range(10)]
    equal([task.get(timeout=2 * PATIENCE) for task in before], list(range(10)))
    equal([task.get(timeout=2 * PATIENCE) for task in after], [n + 1 for n in range(10)])


@checks("the worker outlives a restart of the broker")
def restart():
    recover("restart")


@checks("the worker outlives kill -9 of the broker")
def kill():
    recover("kill")


@checks("a worker stops in order")
def stops():
    stop("main")


try:
    checks.run()
finally:
    for worker in workers.values():
        worker.kill()
