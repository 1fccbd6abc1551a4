"""Tasks of the Celery worker that with_celery.py starts; INTEROP_* variables name the broker."""

import os
import time

from celery import Celery

FOLDER = os.environ["INTEROP_FOLDER"]
app = Celery("tasks", broker=os.environ["INTEROP_URI"], backend=f"file://{FOLDER}/results")
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_transport_options={"confirm_publish": True},
    result_expires=None,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_queue_max_priority=10,
    task_default_queue="interop",
    task_default_priority=5,
    task_routes={"tasks.record": {"queue": "interop-ordered"},
                 "tasks.remember": {"queue": "interop-ordered"}},
    worker_prefetch_multiplier=1,
)


@app.task
def add(x, y):
    return x + y


@app.task
def total(numbers):
    return sum(numbers)


@app.task(bind=True, max_retries=3)
def flaky(self, wanted):
    if self.request.retries < wanted:
        raise self.retry(countdown=0.1)
    return self.request.retries


def note(name, text):
    """Adds a line to a file, in one write."""
    with open(os.path.join(FOLDER, name), "a", encoding="utf-8") as file:
        file.write(f"{text}\n")


@app.task
def record(text):
    note("recorded", text)


@app.task
def remember(seconds):
    time.sleep(seconds)


@app.task(bind=True)
def slow(self, seconds):
    note("slow", f"{os.getpid()} {self.request.delivery_info['redelivered']}")
    time.sleep(seconds)
    return "done"
