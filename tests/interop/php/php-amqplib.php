<?php
// Checks a broker with php-amqplib: php-amqplib.php HOST PORT CONTROL_PORT warren|rabbitmq
//
// Each check prints a line, and the last line sums up.

require 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Channel\AMQPChannel;
use PhpAmqpLib\Connection\AMQPStreamConnection;
use PhpAmqpLib\Exception\AMQPConnectionClosedException;
use PhpAmqpLib\Exception\AMQPIOException;
use PhpAmqpLib\Exception\AMQPProtocolChannelException;
use PhpAmqpLib\Exception\AMQPProtocolConnectionException;
use PhpAmqpLib\Message\AMQPMessage;
use PhpAmqpLib\Wire\AMQPTable;

error_reporting(E_ALL & ~E_DEPRECATED);
[, $host, $port, $controlPort, $broker] = $argv;
const PATIENCE = 30;
$results = ['ok' => 0, 'FAILED' => 0, 'skipped' => 0];

class Skip extends Exception
{
}

function check(string $name, callable $body, ?string $only = null): void
{
    global $results, $broker;
    $text = '';
    try {
        if ($only !== null && $only !== $broker) {
            throw new Skip("only $only has it");
        }
        $body();
        $result = 'ok';
    } catch (Skip $skip) {
        $result = 'skipped';
        $text = ': ' . $skip->getMessage();
    } catch (Throwable $error) {
        echo $error, "\n";
        $result = 'FAILED';
        $text = ': ' . get_class($error) . ': ' . str_replace("\n", ' ', $error->getMessage());
    }
    $results[$result]++;
    echo "$result: $name$text\n";
}

function connect(string $password = 'guest', string $vhost = '/'): AMQPStreamConnection
{
    global $host, $port;
    return new AMQPStreamConnection($host, $port, 'guest', $password, $vhost);
}

/** A check with a channel on a connection of its own. */
function with(string $name, callable $body, ?string $only = null): void
{
    check($name, function () use ($body) {
        $connection = connect();
        try {
            $body($connection->channel(), $connection);
        } finally {
            if ($connection->isConnected()) {
                $connection->close();
            }
        }
    }, $only);
}

function unique(string $stem): string
{
    static $count = 0;
    $count++;
    return sprintf('%s-%x-%d', $stem, hrtime(true), $count);
}

function queue(AMQPChannel $channel, array $arguments = []): string
{
    $name = unique('php');
    $channel->queue_declare($name, false, false, true, false, false, new AMQPTable($arguments));
    return $name;
}

function publish(AMQPChannel $channel, string $queue, $text, array $properties = []): void
{
    $channel->basic_publish(new AMQPMessage((string) $text, $properties), '', $queue);
}

function that(bool $condition, $told): void
{
    if (!$condition) {
        throw new Exception('it is not so: ' . json_encode($told));
    }
}

function equal($found, $expected): void
{
    if ($found !== $expected) {
        $text = json_encode($found) . ', expected ' . json_encode($expected);
        throw new Exception("found $text");
    }
}

function eventually(string $what, callable $probe)
{
    $deadline = microtime(true) + PATIENCE;
    while (!($value = $probe())) {
        if (microtime(true) > $deadline) {
            throw new Exception("it did not come about that $what");
        }
        usleep(20_000);
    }
    return $value;
}

function get(AMQPChannel $channel, string $queue): AMQPMessage
{
    return eventually('a message is there', fn () => $channel->basic_get($queue));
}

function bodies(AMQPChannel $channel, string $queue, int $count): array
{
    $found = [];
    for ($number = 0; $number < $count; $number++) {
        $message = get($channel, $queue);
        $message->ack();
        $found[] = $message->getBody();
    }
    equal($channel->basic_get($queue), null);
    return $found;
}

function headers(AMQPMessage $message): array
{
    return $message->get('application_headers')->getNativeData();
}

/** Collects what a consumer gets, and gives a function that waits for so many. */
function consume(AMQPChannel $channel, string $queue, bool $noAck = false, array $arguments = []): callable
{
    $seen = [];
    $note = function ($message) use (&$seen) {
        $seen[] = $message;
    };
    $table = new AMQPTable($arguments);
    $channel->basic_consume($queue, '', false, $noAck, false, false, $note, null, $table);
    return function (int $count) use ($channel, &$seen) {
        while (count($seen) < $count) {
            $channel->wait(null, false, PATIENCE);
        }
        return $seen;
    };
}

/** The call is answered with an error of this kind. */
function refused(string $kind, int $code, string $start, callable $call): void
{
    try {
        $call();
    } catch (Throwable $error) {
        that($error instanceof $kind, get_class($error) . ': ' . $error->getMessage());
        equal($error->getCode(), $code);
        that(str_starts_with($error->getMessage(), $start), $error->getMessage());
        return;
    }
    throw new Exception("no $code came");
}

/** Asks the harness for restart, kill, block or unblock of the broker. */
function control(string $command): void
{
    global $host, $controlPort;
    $stream = stream_socket_client("tcp://$host:$controlPort");
    // A broker takes longer to come back than PHP waits.
    stream_set_timeout($stream, 200);
    fwrite($stream, "$command\n");
    $answer = trim((string) fgets($stream));
    fclose($stream);
    if ($answer === 'unavailable') {
        throw new Skip('the harness cannot do it here');
    }
    equal($answer, 'ok');
}

check('a wrong password and a missing virtual host are told', function () {
    $connection = AMQPProtocolConnectionException::class;
    refused(AMQPConnectionClosedException::class, 0, 'ACCESS_REFUSED - Login was refused', function () {
        try {
            connect('wrong');
        } catch (AMQPConnectionClosedException | AMQPProtocolConnectionException $error) {
            $text = strstr($error->getMessage(), 'ACCESS_REFUSED');
            throw new AMQPConnectionClosedException((string) $text);
        }
    });
    refused(AMQPConnectionClosedException::class, 0, 'NOT_ALLOWED - vhost missing not found', function () {
        try {
            connect('guest', 'missing');
        } catch (AMQPConnectionClosedException | AMQPProtocolConnectionException $error) {
            $text = strstr($error->getMessage(), 'NOT_ALLOWED');
            throw new AMQPConnectionClosedException((string) $text);
        }
    });
});

with('exchanges of all kinds, also bound to each other', function ($channel) {
    $match = new AMQPTable(['x-match' => 'all', 'n' => 1]);
    foreach (['direct', 'fanout', 'topic', 'headers'] as $kind) {
        [$source, $inner, $queue] = [unique($kind), unique('inner'), queue($channel)];
        $channel->exchange_declare($source, $kind);
        $channel->exchange_declare($inner, 'fanout');
        $channel->exchange_bind($inner, $source, 'a.b', false, $match);
        $channel->queue_bind($queue, $inner);
        $headers = ['application_headers' => new AMQPTable(['n' => 1])];
        $channel->basic_publish(new AMQPMessage($kind, $headers), $source, 'a.b');
        equal(bodies($channel, $queue, 1), [$kind]);
        $channel->exchange_unbind($inner, $source, 'a.b', false, $match);
        $channel->exchange_delete($source);
    }
});

with('properties and headers come back', function ($channel) {
    $queue = queue($channel);
    $table = ['text' => 'grüße', 'int' => 1, 'large' => 1 << 40, 'yes' => true,
        'none' => null, 'list' => [1, 'two'], 'table' => ['deep' => ['er' => 1]]];
    $given = ['content_type' => 'text/plain', 'content_encoding' => 'utf-8', 'delivery_mode' => 2,
        'priority' => 3, 'correlation_id' => 'c', 'reply_to' => 'r', 'expiration' => '60000',
        'message_id' => 'm', 'timestamp' => 12345, 'type' => 't', 'user_id' => 'guest',
        'app_id' => 'a'];
    $all = $given + ['application_headers' => new AMQPTable($table)];
    publish($channel, $queue, str_repeat('x', 300_000), $all);
    $message = get($channel, $queue);
    equal(strlen($message->getBody()), 300_000);
    equal(headers($message), $table);
    foreach ($given as $key => $value) {
        equal($message->get($key), $value);
    }
});

with('confirms, nacks and returns', function ($channel) {
    $queue = queue($channel, ['x-max-length' => 100, 'x-overflow' => 'reject-publish']);
    $notes = ['ack' => 0, 'nack' => 0, 'returned' => ''];
    $channel->set_ack_handler(function () use (&$notes) {
        $notes['ack']++;
    });
    $channel->set_nack_handler(function () use (&$notes) {
        $notes['nack']++;
    });
    $channel->set_return_listener(function ($code, $text) use (&$notes) {
        $notes['returned'] = "$code $text before {$notes['ack']}";
    });
    $channel->confirm_select();
    for ($number = 0; $number < 101; $number++) {
        publish($channel, $queue, $number);
    }
    $channel->wait_for_pending_acks_returns(PATIENCE);
    equal([$notes['ack'], $notes['nack']], [100, 1]);
    $channel->basic_publish(new AMQPMessage('back'), '', unique('nobody'), true);
    $channel->wait_for_pending_acks_returns(PATIENCE);
    equal($notes['returned'], '312 NO_ROUTE before 100');
    equal($notes['ack'], 101);
});

with('transactions commit and roll back', function ($channel, $connection) {
    $queue = queue($channel);
    $tx = $connection->channel();
    $tx->tx_select();
    publish($tx, $queue, 'lost');
    $tx->tx_rollback();
    publish($tx, $queue, 'kept');
    $tx->tx_commit();
    equal(bodies($channel, $queue, 1), ['kept']);
});

with('prefetch, acknowledgements, and putting back', function ($channel) {
    $queue = queue($channel);
    for ($number = 0; $number < 10; $number++) {
        publish($channel, $queue, $number);
    }
    $channel->basic_qos(0, 3, false);
    $wait = consume($channel, $queue);
    $seen = $wait(3);
    [, $ready] = $channel->queue_declare($queue, true);
    equal($ready, 7);
    $seen[0]->nack(true);
    $again = $wait(4)[3];
    equal([$again->getBody(), $again->isRedelivered()], ['0', true]);
    $again->ack(true);
    equal(count($wait(7)), 7);
});

with('expired, rejected and dropped messages are dead-lettered', function ($channel) {
    $dead = queue($channel);
    $queue = queue($channel, ['x-dead-letter-exchange' => '',
        'x-dead-letter-routing-key' => $dead, 'x-max-length' => 1]);
    $reason = fn () => headers(get($channel, $dead))['x-death'][0]['reason'];
    publish($channel, $queue, 'x', ['expiration' => '20']);
    equal($reason(), 'expired');
    publish($channel, $queue, 'y');
    get($channel, $queue)->reject(false);
    equal($reason(), 'rejected');
    publish($channel, $queue, 'drop');
    publish($channel, $queue, 'stay');
    equal($reason(), 'maxlen');
});

with('priorities order a queue', function ($channel) {
    $queue = queue($channel, ['x-max-priority' => 10]);
    foreach ([1, 9, 4] as $priority) {
        publish($channel, $queue, $priority, ['priority' => $priority]);
    }
    equal(bodies($channel, $queue, 3), ['9', '4', '1']);
});

with('a single active consumer, and consumers of a higher priority', function ($channel) {
    $queue = queue($channel, ['x-single-active-consumer' => true]);
    $one = consume($channel, $queue, true);
    $two = consume($channel, $queue, true);
    publish($channel, $queue, 'x');
    equal(count($one(1)), 1);
    equal(count($two(0)), 0);
    $queue = queue($channel);
    $low = consume($channel, $queue, true);
    $high = consume($channel, $queue, true, ['x-priority' => 5]);
    publish($channel, $queue, 'x');
    equal(count($high(1)), 1);
    equal(count($low(0)), 0);
});

with('requests and replies over amq.rabbitmq.reply-to', function ($channel) {
    $queue = queue($channel);
    $answers = consume($channel, 'amq.rabbitmq.reply-to', true);
    publish($channel, $queue, 'ask', ['reply_to' => 'amq.rabbitmq.reply-to']);
    publish($channel, get($channel, $queue)->get('reply_to'), 'answer');
    equal($answers(1)[0]->getBody(), 'answer');
});

with('an alternate exchange, CC and BCC', function ($channel) {
    [$spare, $main] = [unique('spare'), unique('main')];
    [$queue, $copy] = [queue($channel), queue($channel)];
    $channel->exchange_declare($spare, 'fanout');
    $arguments = new AMQPTable(['alternate-exchange' => $spare]);
    $channel->exchange_declare($main, 'direct', false, false, false, false, false, $arguments);
    $channel->queue_bind($queue, $spare);
    $channel->basic_publish(new AMQPMessage('spare'), $main, 'nobody');
    equal(bodies($channel, $queue, 1), ['spare']);
    $copies = ['application_headers' => new AMQPTable(['CC' => [$copy], 'BCC' => ['nobody']])];
    publish($channel, $queue, 'x', $copies);
    foreach ([$queue, $copy] as $each) {
        equal(headers(get($channel, $each)), ['CC' => [$copy]]);
    }
    $channel->exchange_delete($main);
    $channel->exchange_delete($spare);
});

with('an unused queue expires', function ($channel, $connection) {
    $name = unique('expires');
    $arguments = new AMQPTable(['x-expires' => 200]);
    $channel->queue_declare($name, false, false, false, false, false, $arguments);
    eventually('it is gone', function () use ($connection, $name) {
        usleep(300_000);
        $asking = $connection->channel();
        try {
            $asking->queue_declare($name, true);
        } catch (AMQPProtocolChannelException $error) {
            return $error->getCode() === 404;
        }
        $asking->close();
        return false;
    });
});

with('a stream is read from where a reader wants', function ($channel, $connection) {
    $name = unique('stream');
    $arguments = new AMQPTable(['x-queue-type' => 'stream']);
    $channel->queue_declare($name, false, true, false, false, false, $arguments);
    $channel->confirm_select();
    for ($number = 0; $number < 5; $number++) {
        publish($channel, $name, $number);
    }
    $channel->wait_for_pending_acks(PATIENCE);
    foreach ([[0, 'first'], [3, 3]] as [$first, $offset]) {
        $reader = $connection->channel();
        $reader->basic_qos(0, 10, false);
        $wait = consume($reader, $name, false, ['x-stream-offset' => $offset]);
        $seen = $wait(5 - $first);
        equal($seen[0]->getBody(), (string) $first);
        equal(headers($seen[0])['x-stream-offset'], $first);
        $reader->close();
    }
    $channel->queue_delete($name);
});

with("errors have RabbitMQ's codes and texts", function ($channel, $connection) {
    $queue = queue($channel);
    $cases = [
        [404, "NOT_FOUND - no queue 'none' in vhost '/'",
            fn ($its) => $its->queue_declare('none', true)],
        [406, "PRECONDITION_FAILED - inequivalent arg 'auto_delete' for queue '$queue' in vhost '/'",
            fn ($its) => $its->queue_declare($queue, false, false, true, true)],
        [403, "ACCESS_REFUSED - exchange name 'amq.x' contains reserved prefix 'amq.*'",
            fn ($its) => $its->exchange_declare('amq.x', 'direct')],
        [406, 'PRECONDITION_FAILED - channel is not transactional', fn ($its) => $its->tx_commit()],
    ];
    foreach ($cases as [$code, $start, $call]) {
        refused(AMQPProtocolChannelException::class, $code, $start, fn () => $call($connection->channel()));
    }
});

with('a virtual topic gives each group one copy', function ($channel) {
    $queues = ['Consumer.A.VirtualTopic.PHP', 'Consumer.B.VirtualTopic.*'];
    foreach ($queues as $queue) {
        $channel->queue_declare($queue, false, false, false, true);
    }
    $channel->basic_publish(new AMQPMessage('x'), 'amq.virtual-topic', 'VirtualTopic.PHP');
    foreach ($queues as $queue) {
        equal(bodies($channel, $queue, 1), ['x']);
        $channel->queue_delete($queue);
    }
}, 'warren');

check('a low disk blocks publishers', function () {
    $connection = connect();
    $notes = [];
    $connection->set_connection_block_handler(function ($reason) use (&$notes) {
        $notes[] = $reason;
    });
    $connection->set_connection_unblock_handler(function () use (&$notes) {
        $notes[] = 'unblocked';
    });
    $channel = $connection->channel();
    $queue = queue($channel);
    $listen = function () use ($connection) {
        try {
            $connection->wait(null, false, 0.2);
        } catch (PhpAmqpLib\Exception\AMQPTimeoutException $nothing) {
            // Nothing came meanwhile.
        }
    };
    control('block');
    try {
        eventually('publishers are blocked', function () use ($channel, $queue, &$notes, $listen) {
            if (!$notes) {
                publish($channel, $queue, 'x');
                $listen();
            }
            return $notes;
        });
    } finally {
        control('unblock');
    }
    eventually('publishers go on', function () use (&$notes, $listen) {
        $listen();
        return count($notes) === 2;
    });
    equal($notes, ['low on disk', 'unblocked']);
    $connection->close();
});

/** What was confirmed is there when the client reconnects. */
function survives(string $command): void
{
    $connection = connect();
    $channel = $connection->channel();
    $name = unique('durable');
    $channel->queue_declare($name, false, true, false, false);
    $channel->confirm_select();
    for ($number = 0; $number < 50; $number++) {
        publish($channel, $name, $number, ['delivery_mode' => 2]);
    }
    $channel->wait_for_pending_acks(PATIENCE);
    control($command);
    try {
        $channel->basic_get($name);
        throw new Exception('the connection goes on');
    } catch (AMQPConnectionClosedException | AMQPIOException $end) {
        that(!$connection->isConnected(), 'the connection goes on');
    }
    $connection->reconnect();
    $channel = $connection->channel();
    equal(bodies($channel, $name, 50), array_map('strval', range(0, 49)));
    $channel->queue_delete($name);
    $connection->close();
}

check('confirmed messages outlive a restart', fn () => survives('restart'));
check('confirmed messages outlive kill -9', fn () => survives('kill'));

[$passed, $failed, $skipped] = array_values($results);
echo "$passed passed, $failed failed, $skipped skipped\n";
exit($failed || !$passed ? 1 : 0);
