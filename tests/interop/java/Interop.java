import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.Address;
import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.BuiltinExchangeType;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.DefaultConsumer;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.Envelope;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.MessageProperties;
import com.rabbitmq.client.Recoverable;
import com.rabbitmq.client.RecoveryListener;
import com.rabbitmq.client.RpcClient;
import com.rabbitmq.client.RpcClientParams;
import com.rabbitmq.client.RpcServer;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** Checks a broker with RabbitMQ's Java client; see Check for the arguments. */
final class Interop extends Helpers {
    private static final int PATIENCE = Check.PATIENCE_MILLISECONDS;

    private final Check check;

    private Interop(Check check) {
        this.check = check;
    }

    public static void main(String[] arguments) {
        Check check = new Check(arguments);
        Interop interop = new Interop(check);
        interop.routing();
        interop.publishing();
        interop.consuming();
        interop.queues();
        interop.errors();
        interop.alarms();
        check.add("connections recover from a restart", () -> interop.recovery("restart"));
        check.add("connections recover from kill -9", () -> interop.recovery("kill"));
        System.exit(check.run());
    }

    private interface Body {
        void run(Channel channel) throws Exception;
    }

    private ConnectionFactory factory() {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setHost(check.host);
        factory.setPort(check.port);
        factory.setNetworkRecoveryInterval(300);
        factory.setAutomaticRecoveryEnabled(false);
        return factory;
    }

    /** A check with a channel on a connection of its own. */
    private Check.Body with(Body body) {
        return () -> {
            try (Connection connection = factory().newConnection("interop")) {
                body.run(connection.createChannel());
            } catch (AlreadyClosedException closed) {
                // The check closed it already.
                Check.that(closed.isInitiatedByApplication(), closed);
            }
        };
    }

    private String queue(Channel channel, Map<String, Object> arguments) throws IOException {
        String name = check.unique("java");
        return channel.queueDeclare(name, false, true, false, arguments).getQueue();
    }

    private String queue(Channel channel) throws IOException {
        return queue(channel, Map.of());
    }

    private void routing() {
        check.add("the server's properties and capabilities", with(channel -> {
            Map<String, Object> server = channel.getConnection().getServerProperties();
            Check.equal(String.valueOf(server.get("product")), "RabbitMQ");
            Check.that(String.valueOf(server.get("version")).matches("\\d+\\.\\d+\\.\\d+.*"),
                    server);
            Check.equal(((Map<?, ?>) server.get("capabilities")).size(), 9);
        }));
        check.add("exchanges of all kinds, also bound to each other", with(channel -> {
            for (BuiltinExchangeType kind : BuiltinExchangeType.values()) {
                String source = check.unique("source");
                String inner = check.unique("inner");
                String queue = queue(channel);
                Map<String, Object> match = Map.of("x-match", "any", "n", 1);
                channel.exchangeDeclare(source, kind, false, true, Map.of());
                channel.exchangeDeclare(inner, "fanout", false, true, Map.of());
                channel.exchangeBind(inner, source, "a.b", match);
                channel.queueBind(queue, inner, "");
                BasicProperties headers = properties().headers(Map.of("n", 1)).build();
                channel.basicPublish(source, "a.b", headers, bytes(kind));
                Check.equal(bodies(channel, queue, 1), List.of(kind.toString()));
                channel.exchangeUnbind(inner, source, "a.b", match);
            }
        }));
        check.add("an internal exchange takes nothing from clients", with(channel -> {
            String name = check.unique("internal");
            channel.exchangeDeclare(name, "fanout", false, false, true, Map.of());
            Channel other = channel.getConnection().createChannel();
            other.basicPublish(name, "", null, bytes("x"));
            closes(403, "ACCESS_REFUSED - cannot publish to internal exchange",
                    () -> other.queueDeclare());
            channel.exchangeDelete(name);
        }));
        check.add("an alternate exchange, CC and BCC", with(channel -> {
            String spare = check.unique("spare");
            String main = check.unique("main");
            String queue = queue(channel);
            String copy = queue(channel);
            channel.exchangeDeclare(spare, "fanout", false, true, Map.of());
            channel.exchangeDeclare(main, "direct", false, false,
                    Map.of("alternate-exchange", spare));
            channel.queueBind(queue, spare, "");
            channel.basicPublish(main, "nobody", null, bytes("spare"));
            Check.equal(bodies(channel, queue, 1), List.of("spare"));
            Map<String, Object> copies = Map.of("CC", List.of(copy), "BCC", List.of(queue));
            channel.basicPublish("", "nobody", properties().headers(copies).build(), bytes("x"));
            Map<String, Object> seen = get(channel, queue).getProps().getHeaders();
            Check.equal(seen.keySet(), Set.of("CC"));
            get(channel, copy);
            channel.exchangeDelete(main);
        }));
        check.onlyWarren("a virtual topic gives each group one copy", with(channel -> {
            List<String> queues =
                    List.of("Consumer.A.VirtualTopic.Java.>", "Consumer.B.VirtualTopic.Java.Order");
            for (String queue : queues) {
                channel.queueDeclare(queue, false, false, true, Map.of());
            }
            channel.basicPublish("amq.virtual-topic", "VirtualTopic.Java.Order", null, bytes("x"));
            for (String queue : queues) {
                Check.equal(bodies(channel, queue, 1), List.of("x"));
                channel.queueDelete(queue);
            }
        }));
    }

    private void publishing() {
        check.add("properties and headers come back", with(channel -> {
            String queue = queue(channel);
            Map<String, Object> headers = new TreeMap<>(Map.of(
                    "int", 1, "long", 1L << 40, "yes", true, "double", 2.5,
                    "list", List.of(1, 2), "date", new Date(1_000_000_000L),
                    "short", (short) 3, "byte", (byte) 4, "float", 1.5f));
            BasicProperties given = new BasicProperties("text/plain", "utf-8", headers, 2, 3, "c",
                    "r", "60000", "m", new Date(5_000_000L), "t", "guest", "a", null);
            channel.basicPublish("", queue, given, new byte[300_000]);
            GetResponse message = get(channel, queue);
            Check.equal(message.getBody().length, 300_000);
            BasicProperties found = message.getProps();
            Check.equal(new TreeMap<>(found.getHeaders()), headers);
            Check.equal(found.builder().headers(null).build().toString(),
                    given.builder().headers(null).build().toString());
        }));
        check.add("confirms in any number, and none is missing", with(channel -> {
            String queue = queue(channel);
            ConcurrentSkipListMap<Long, Boolean> open = new ConcurrentSkipListMap<>();
            channel.confirmSelect();
            channel.addConfirmListener((number, multiple) -> {
                if (multiple) {
                    open.headMap(number, true).clear();
                } else {
                    open.remove(number);
                }
            }, (number, multiple) -> open.put(-number, false));
            for (int number = 0; number < 2_000; number++) {
                open.put(channel.getNextPublishSeqNo(), true);
                send(channel, queue, number);
            }
            channel.waitForConfirmsOrDie(PATIENCE);
            Check.eventually("all are confirmed", open::isEmpty);
            Check.equal(channel.messageCount(queue), 2_000L);
        }));
        check.add("a return comes before its confirm", with(channel -> {
            List<String> events = Collections.synchronizedList(new ArrayList<>());
            channel.confirmSelect();
            channel.addReturnListener(message ->
                    events.add(message.getReplyCode() + " " + message.getReplyText()));
            channel.addConfirmListener((number, multiple) -> events.add("ack"),
                    (number, multiple) -> events.add("nack"));
            channel.basicPublish("", check.unique("nobody"), true, null, bytes("x"));
            Check.eventually("both came", () -> events.size() == 2);
            Check.equal(events, List.of("312 NO_ROUTE", "ack"));
        }));
        check.add("a full queue's rejection is a nack", with(channel -> {
            String queue = queue(channel,
                    Map.of("x-max-length", 1, "x-overflow", "reject-publish"));
            channel.confirmSelect();
            send(channel, queue, "first");
            Check.that(channel.waitForConfirms(PATIENCE), "the first is refused");
            send(channel, queue, "second");
            Check.that(!channel.waitForConfirms(PATIENCE), "the second is taken");
        }));
        check.add("transactions commit and roll back", with(channel -> {
            String queue = queue(channel);
            Channel tx = channel.getConnection().createChannel();
            tx.txSelect();
            send(tx, queue, "lost");
            tx.txRollback();
            send(tx, queue, "kept");
            Check.equal(channel.messageCount(queue), 0L);
            tx.txCommit();
            Check.equal(bodies(channel, queue, 1), List.of("kept"));
            closes(406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode",
                    tx::confirmSelect);
        }));
    }

    private void consuming() {
        check.add("prefetch of consumers and of a channel", with(channel -> {
            String queue = queue(channel);
            send(channel, queue, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
            channel.basicQos(2);
            BlockingQueue<Delivery> one = consume(channel, queue, false, Map.of());
            Check.eventually("two come", () -> one.size() == 2);
            channel.basicQos(3, true);
            BlockingQueue<Delivery> two = consume(channel, queue, false, Map.of());
            Check.eventually("a third comes", () -> one.size() + two.size() == 3);
            Check.equal(channel.messageCount(queue), 7L);
            channel.basicAck(0, true);
            Check.eventually("three more come", () -> one.size() + two.size() == 6);
        }));
        check.add("nack, reject and recover put back to the same place", with(channel -> {
            String queue = queue(channel);
            send(channel, queue, 0, 1, 2, 3);
            long first = get(channel, queue).getEnvelope().getDeliveryTag();
            long second = get(channel, queue).getEnvelope().getDeliveryTag();
            channel.basicReject(first, true);
            channel.basicNack(second, false, false);
            GetResponse again = get(channel, queue);
            Check.equal(text(again.getBody()), "0");
            Check.that(again.getEnvelope().isRedeliver(), "it is not marked as redelivered");
            channel.basicRecover();
            Check.equal(bodies(channel, queue, 3), List.of("0", "2", "3"));
        }));
        check.add("a single active consumer, and the next when it goes", with(channel -> {
            String queue = queue(channel, Map.of("x-single-active-consumer", true));
            Channel first = channel.getConnection().createChannel();
            BlockingQueue<Delivery> one = consume(first, queue, false, Map.of());
            BlockingQueue<Delivery> two = consume(channel, queue, false, Map.of());
            send(channel, queue, 0, 1, 2);
            Check.eventually("the first has all", () -> one.size() == 3);
            Check.equal(two.size(), 0);
            first.close();
            Check.eventually("the second has all", () -> two.size() == 3);
            Check.that(two.peek().getEnvelope().isRedeliver(), "it is not marked");
        }));
        check.add("consumers of a higher priority come first", with(channel -> {
            String queue = queue(channel);
            BlockingQueue<Delivery> low = consume(channel, queue, true, Map.of());
            BlockingQueue<Delivery> high = consume(channel, queue, true, Map.of("x-priority", 7));
            send(channel, queue, 0, 1, 2);
            Check.eventually("all came", () -> low.size() + high.size() == 3);
            Check.equal(high.size(), 3);
        }));
        check.add("a consumer is told of its cancellation and of its channel's end",
                with(this::cancellation));
        check.add("remote procedure calls over direct reply-to", with(channel -> {
            String queue = queue(channel);
            RpcServer server = new RpcServer(channel, queue) {
                @Override
                public byte[] handleCall(Delivery request, BasicProperties reply) {
                    return bytes(text(request.getBody()) + "!");
                }
            };
            Thread thread = new Thread(() -> {
                try {
                    server.mainloop();
                } catch (ShutdownSignalException | IOException end) {
                    // The connection ends with the check.
                }
            });
            thread.setDaemon(true);
            thread.start();
            Channel asking = channel.getConnection().createChannel();
            RpcClientParams parameters = new RpcClientParams();
            parameters.channel(asking).exchange("").routingKey(queue).timeout(PATIENCE);
            RpcClient client = new RpcClient(parameters);
            for (int number = 0; number < 50; number++) {
                Check.equal(client.stringCall("call " + number), "call " + number + "!");
            }
            client.close();
        }));
    }

    private void cancellation(Channel channel) throws Exception {
        String queue = queue(channel);
        List<String> events = Collections.synchronizedList(new ArrayList<>());
        DefaultConsumer consumer = new DefaultConsumer(channel) {
            @Override
            public void handleCancel(String tag) {
                events.add("cancelled " + tag);
            }

            @Override
            public void handleCancelOk(String tag) {
                events.add("ended " + tag);
            }

            @Override
            public void handleShutdownSignal(String tag, ShutdownSignalException signal) {
                events.add("shut down " + tag);
            }
        };
        channel.basicConsume(queue, false, "first", consumer);
        channel.queueDelete(queue);
        Check.eventually("the cancellation came", () -> events.contains("cancelled first"));
        String second = queue(channel);
        channel.basicConsume(second, false, "second", consumer);
        channel.basicCancel("second");
        Check.eventually("the end came", () -> events.contains("ended second"));
        channel.basicConsume(second, false, "third", consumer);
        channel.close();
        Check.eventually("the channel's end came", () -> events.contains("shut down third"));
    }

    private void queues() {
        check.add("messages expire and are dead-lettered with their history", with(channel -> {
            String dead = queue(channel);
            String queue = queue(channel, Map.of("x-dead-letter-exchange", "",
                    "x-dead-letter-routing-key", dead, "x-message-ttl", 60_000));
            channel.basicPublish("", queue, properties().expiration("20").build(), bytes("x"));
            GetResponse letter = get(channel, dead);
            Check.equal(reason(letter), "expired");
            Check.equal(letter.getProps().getExpiration(), null);
            send(channel, queue, "y");
            channel.basicReject(get(channel, queue).getEnvelope().getDeliveryTag(), false);
            letter = get(channel, dead);
            Check.equal(reason(letter), "rejected");
            Map<String, Object> headers = letter.getProps().getHeaders();
            Check.equal(String.valueOf(headers.get("x-first-death-queue")), queue);
        }));
        check.add("lengths are kept by dropping the head", with(channel -> {
            String queue = queue(channel, Map.of("x-max-length", 2));
            send(channel, queue, 0, 1, 2, 3);
            Check.equal(bodies(channel, queue, 2), List.of("2", "3"));
        }));
        check.add("priorities order a queue", with(channel -> {
            String queue = queue(channel, Map.of("x-max-priority", 10));
            for (int priority : new int[] {1, 9, 4}) {
                BasicProperties its = properties().priority(priority).build();
                channel.basicPublish("", queue, its, bytes(priority));
            }
            Check.equal(bodies(channel, queue, 3), List.of("9", "4", "1"));
        }));
        check.add("an unused queue expires", with(channel -> {
            String name = check.unique("expires");
            channel.queueDeclare(name, false, false, false, Map.of("x-expires", 200));
            Check.eventually("it is gone", () -> {
                Thread.sleep(300);
                Channel asking = channel.getConnection().createChannel();
                try {
                    asking.queueDeclarePassive(name);
                    return false;
                } catch (IOException gone) {
                    return true;
                }
            });
        }));
        check.add("a quorum queue counts deliveries and gives up", with(channel -> {
            String dead = queue(channel);
            String queue = check.unique("quorum");
            channel.queueDeclare(queue, true, false, false, Map.of("x-queue-type", "quorum",
                    "x-delivery-limit", 2, "x-dead-letter-exchange", "",
                    "x-dead-letter-routing-key", dead));
            List<String> counts = Collections.synchronizedList(new ArrayList<>());
            channel.basicConsume(queue, false, (tag, delivery) -> {
                Map<String, Object> headers = delivery.getProperties().getHeaders();
                counts.add(String.valueOf(
                        headers == null ? null : headers.get("x-delivery-count")));
                channel.basicReject(delivery.getEnvelope().getDeliveryTag(), true);
            }, tag -> {});
            Channel sending = channel.getConnection().createChannel();
            send(sending, queue, "poison");
            Channel reading = channel.getConnection().createChannel();
            Check.equal(reason(get(reading, dead)), "delivery_limit");
            Check.equal(counts.subList(1, counts.size()), List.of("1", "2"));
            reading.queueDelete(queue);
        }));
        check.add("a stream is read again and again", with(channel -> {
            String name = check.unique("stream");
            channel.queueDeclare(name, true, false, false, Map.of("x-queue-type", "stream"));
            channel.confirmSelect();
            send(channel, name, 0, 1, 2, 3, 4);
            channel.waitForConfirmsOrDie(PATIENCE);
            for (Object offset : new Object[] {"first", 2L}) {
                Channel reader = channel.getConnection().createChannel();
                reader.basicQos(10);
                int from = offset instanceof Long ? 2 : 0;
                BlockingQueue<Delivery> seen =
                        consume(reader, name, false, Map.of("x-stream-offset", offset));
                Check.eventually("all came", () -> seen.size() == 5 - from);
                Check.equal(text(seen.peek().getBody()), String.valueOf(from));
                reader.close();
            }
            channel.queueDelete(name);
        }));
    }

    private void errors() {
        check.add("errors have RabbitMQ's codes and texts", with(channel -> {
            Connection connection = channel.getConnection();
            String queue = queue(channel);
            closes(404, "NOT_FOUND - no queue 'none' in vhost '/'",
                    () -> connection.createChannel().queueDeclarePassive("none"));
            closes(404, "NOT_FOUND - no exchange 'none' in vhost '/'",
                    () -> connection.createChannel().exchangeDeclarePassive("none"));
            closes(406, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.topic'",
                    () -> connection.createChannel().exchangeDeclare("amq.topic", "direct", true));
            closes(403, "ACCESS_REFUSED - exchange name 'amq.x' contains reserved prefix 'amq.*'",
                    () -> connection.createChannel().exchangeDeclare("amq.x", "direct"));
            channel.basicConsume(queue, (tag, delivery) -> {}, tag -> {});
            closes(406, "PRECONDITION_FAILED - queue '" + queue + "' in vhost '/' in use",
                    () -> connection.createChannel().queueDelete(queue, true, false));
            try (Connection other = factory().newConnection()) {
                closes(405, "RESOURCE_LOCKED - cannot obtain exclusive access to locked queue",
                        () -> other.createChannel().queueDeclarePassive(queue));
            }
        }));
        check.add("heartbeats and frames as the client wants them", () -> {
            ConnectionFactory factory = factory();
            factory.setRequestedHeartbeat(1);
            factory.setRequestedFrameMax(8192);
            factory.setRequestedChannelMax(3);
            try (Connection connection = factory.newConnection()) {
                Check.equal(connection.getHeartbeat(), 1);
                Check.equal(connection.getFrameMax(), 8192);
                Channel channel = connection.createChannel();
                connection.createChannel();
                connection.createChannel();
                Check.equal(connection.createChannel(), null);
                String queue = queue(channel);
                channel.basicPublish("", queue, null, new byte[100_000]);
                // Longer than the client waits for heartbeats before it gives up.
                Thread.sleep(3_000);
                Check.equal(get(channel, queue).getBody().length, 100_000);
            }
        });
    }

    private void alarms() {
        check.add("a blocked listener hears of a low disk", () -> {
            List<String> events = Collections.synchronizedList(new ArrayList<>());
            try (Connection connection = factory().newConnection()) {
                connection.addBlockedListener(
                        reason -> events.add(reason), () -> events.add("unblocked"));
                Channel channel = connection.createChannel();
                String queue = queue(channel);
                check.control("block");
                try {
                    Check.eventually("publishers are blocked", () -> {
                        if (events.isEmpty()) {
                            send(channel, queue, "x");
                        }
                        return !events.isEmpty();
                    });
                } finally {
                    check.control("unblock");
                }
                Check.eventually("publishers go on", () -> events.contains("unblocked"));
                Check.equal(events, List.of("low on disk", "unblocked"));
                Check.that(channel.messageCount(queue) > 0, "nothing was published");
            }
        });
    }

    /** Queues, bindings, consumers and prefetch are recovered, and no confirmed message is lost. */
    private void recovery(String command) throws Exception {
        ConnectionFactory factory = factory();
        factory.setAutomaticRecoveryEnabled(true);
        factory.setTopologyRecoveryEnabled(true);
        List<Address> addresses = List.of(new Address(check.host, check.port));
        try (Connection connection = factory.newConnection(addresses)) {
            Channel channel = connection.createChannel();
            channel.basicQos(10);
            String exchange = check.unique("recovered");
            String durable = check.unique("durable");
            channel.exchangeDeclare(exchange, "topic", false, false, Map.of());
            channel.queueDeclare(durable, true, false, false, Map.of());
            String exclusive = queue(channel);
            channel.queueBind(durable, exchange, "a.*");
            channel.queueBind(exclusive, exchange, "a.*");
            Set<String> all = ConcurrentHashMap.newKeySet();
            Set<String> own = ConcurrentHashMap.newKeySet();
            channel.basicConsume(durable, false, consumer(channel, all));
            channel.basicConsume(exclusive, false, consumer(channel, own));
            Channel sending = connection.createChannel();
            sending.confirmSelect();
            for (int number = 0; number < 100; number++) {
                sending.basicPublish("", durable, MessageProperties.PERSISTENT_BASIC,
                        bytes(number));
            }
            sending.waitForConfirmsOrDie(PATIENCE);
            CountDownLatch recovered = new CountDownLatch(1);
            ((Recoverable) connection).addRecoveryListener(new RecoveryListener() {
                @Override
                public void handleRecovery(Recoverable recoverable) {
                    recovered.countDown();
                }

                @Override
                public void handleRecoveryStarted(Recoverable recoverable) {}
            });
            check.control(command);
            Check.that(recovered.await(PATIENCE, TimeUnit.MILLISECONDS), "it did not recover");
            sending.basicPublish(exchange, "a.b", null, bytes("after"));
            sending.waitForConfirmsOrDie(PATIENCE);
            Check.eventually("all came", () -> all.size() == 101 && own.contains("after"));
            channel.queueDelete(durable);
            channel.exchangeDelete(exchange);
        }
    }

    private static DefaultConsumer consumer(Channel channel, Set<String> seen) {
        return new DefaultConsumer(channel) {
            @Override
            public void handleDelivery(
                    String tag, Envelope envelope, BasicProperties properties, byte[] body)
                    throws IOException {
                seen.add(text(body));
                channel.basicAck(envelope.getDeliveryTag(), false);
            }
        };
    }
}
