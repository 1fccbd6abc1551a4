"""A virtual topic: a group gets its orders also while none of its consumers is there."""

import os

import pika

url = os.environ.get("AMQP_URL", "amqp://guest:guest@127.0.0.1:5672/%2f")
connection = pika.BlockingConnection(pika.URLParameters(url))
channel = connection.channel()

# Declaring the queue is enough to subscribe the group; nobody consumes from it yet.
channel.queue_declare("Consumer.mail.VirtualTopic.Orders", durable=True)

# The names of ActiveMQ work as they stand: no exchange, the topic is the routing key.
persistent = pika.BasicProperties(delivery_mode=2)
for order in ["book", "lamp"]:
    channel.basic_publish("", "VirtualTopic.Orders", order.encode(), persistent)

for _ in range(2):
    method, properties, body = next(channel.consume("Consumer.mail.VirtualTopic.Orders"))
    print("mail received", body.decode())
    channel.basic_ack(method.delivery_tag)
connection.close()
