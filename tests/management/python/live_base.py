"""What the checks of a broker at work share: connections with pika, and how to find them."""

import contextlib
import time
from urllib.parse import quote

import pika
from api_base import (
    HOST,
    eventually,
    get,
)
from check import PORT

STARTED = time.time() * 1000
PROPERTIES = {"connection_name": "the worker", "product": "checks"}


@contextlib.contextmanager
def connected(user="guest", password="guest", vhost="/", **more):
    parameters = pika.ConnectionParameters(
        HOST,
        PORT,
        vhost,
        pika.PlainCredentials(user, password),
        client_properties=PROPERTIES,
        **more,
    )
    connection = pika.BlockingConnection(parameters)
    try:
        yield connection
    finally:
        with contextlib.suppress(pika.exceptions.AMQPError):
            connection.close()


def waiting(connection, what, probe):
    """The first true value of the probe, while the connection is served."""
    return eventually(what, probe, lambda: connection.process_data_events(0.05))


def one(path):
    """The only element of a list, when there is just one that is whole."""
    found = get(path)
    whole = [it for it in found if it.get("user")]
    return whole[0] if len(found) == len(whole) == 1 else None


def segment(name):
    return quote(name, safe="")
