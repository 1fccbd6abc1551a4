"""Exchanges that do more than the tutorials show."""

import os

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()
channel.confirm_delivery()


def received(queue):
    """All that waits in a queue, as text."""
    messages = []
    while True:
        method, _, body = channel.basic_get(queue, auto_ack=True)
        if method is None:
            return messages
        messages.append(body.decode())


for queue in ["red", "blue", "rest"]:
    channel.queue_declare(queue, exclusive=True)

# What has no binding goes to the alternate exchange.
channel.exchange_declare("leftovers", "fanout", auto_delete=True)
channel.queue_bind("rest", "leftovers")
channel.exchange_declare(
    "colours", "direct", auto_delete=True, arguments={"alternate-exchange": "leftovers"}
)
channel.queue_bind("red", "colours", "red")
channel.basic_publish("colours", "red", b"a rose")
channel.basic_publish("colours", "green", b"a leaf", mandatory=True)
print("red:", received("red"), "rest:", received("rest"))

# One message, three keys; nobody sees the last one.
properties = pika.BasicProperties(headers={"CC": ["blue"], "BCC": ["rest"]})
channel.basic_publish("", "red", b"to all", properties)
print("red:", received("red"), "blue:", received("blue"), "rest:", received("rest"))

# All messages of a customer go to the same queue; the binding key is the queue's weight.
channel.exchange_declare("customers", "x-consistent-hash", auto_delete=True)
channel.queue_bind("red", "customers", "1")
channel.queue_bind("blue", "customers", "1")
for order in range(4):
    channel.basic_publish("customers", "customer 17", str(order).encode())
print("together:", sorted([received("red"), received("blue")]))

# Who is bound late gets the last messages.
channel.exchange_declare(
    "news", "x-recent-history", auto_delete=True, arguments={"x-recent-history-length": 2}
)
for item in ["old", "recent", "newest"]:
    channel.basic_publish("news", "", item.encode())
channel.queue_bind("rest", "news")
print("news:", received("rest"))
connection.close()
