"""A pytest plugin with what the tests of aiormq expect outside their folder: where the broker is."""

import pytest
from yarl import URL


class Container:
    """The broker that runs already. There is no TLS, but the tests ask where it would be."""

    host = "127.0.0.1"
    ports = {"5672/tcp": 5672, "5671/tcp": 5671}


@pytest.fixture(scope="session")
def rabbitmq_container():
    return Container


@pytest.fixture
def amqp_direct_url(rabbitmq_container):
    host, port = rabbitmq_container.host, rabbitmq_container.ports["5672/tcp"]
    user = {"user": "guest", "password": "guest"}
    return URL.build(scheme="amqp", path="//", host=host, port=port, **user)
