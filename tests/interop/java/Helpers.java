import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.AMQP.BasicProperties;
import com.rabbitmq.client.AlreadyClosedException;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Delivery;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.client.ShutdownSignalException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;

/** Short forms of what the checks do most. */
class Helpers {
    static void send(Channel channel, String queue, Object... texts) throws IOException {
        for (Object text : texts) {
            channel.basicPublish("", queue, null, bytes(text));
        }
    }

    static byte[] bytes(Object text) {
        return text.toString().getBytes(StandardCharsets.UTF_8);
    }

    static String text(byte[] bytes) {
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static GetResponse get(Channel channel, String queue) throws Exception {
        return Check.eventually("a message is there", () -> channel.basicGet(queue, false));
    }

    static List<String> bodies(Channel channel, String queue, int count) throws Exception {
        List<String> found = new ArrayList<>();
        for (int number = 0; number < count; number++) {
            GetResponse message = get(channel, queue);
            channel.basicAck(message.getEnvelope().getDeliveryTag(), false);
            found.add(text(message.getBody()));
        }
        Check.equal(channel.basicGet(queue, true), null);
        return found;
    }

    /** A consumer that keeps what comes. */
    static BlockingQueue<Delivery> consume(
            Channel channel, String queue, boolean autoAck, Map<String, Object> arguments)
            throws IOException {
        BlockingQueue<Delivery> seen = new LinkedBlockingQueue<>();
        channel.basicConsume(
                queue, autoAck, arguments, (tag, delivery) -> seen.add(delivery), tag -> {});
        return seen;
    }

    static BasicProperties.Builder properties() {
        return new BasicProperties.Builder();
    }

    static String reason(GetResponse message) {
        Object deaths = message.getProps().getHeaders().get("x-death");
        return String.valueOf(((Map<?, ?>) ((List<?>) deaths).get(0)).get("reason"));
    }

    /** The call is answered with the end of the channel. */
    static void closes(int code, String start, Check.Body call) throws Exception {
        try {
            call.run();
        } catch (IOException | AlreadyClosedException error) {
            Throwable cause = error instanceof IOException ? error.getCause() : error;
            AMQP.Channel.Close close =
                    (AMQP.Channel.Close) ((ShutdownSignalException) cause).getReason();
            Check.equal(close.getReplyCode(), code);
            Check.that(close.getReplyText().startsWith(start), close.getReplyText());
            return;
        }
        throw new AssertionError("no " + code + " came");
    }
}
