// Command amqp091 checks a broker with amqp091-go; check.go says which arguments it takes.
package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

func connect() *amqp.Connection {
	return got(amqp.Dial("amqp://guest:guest@" + host + ":" + port + "/"))
}

// with runs a check with a channel on a connection of its own.
func with(name string, body func(*amqp.Channel, *amqp.Connection)) {
	run(name, func() {
		connection := connect()
		defer connection.Close()
		body(got(connection.Channel()), connection)
	})
}

func queue(channel *amqp.Channel, arguments amqp.Table) string {
	return got(channel.QueueDeclare(unique("go"), false, false, true, false, arguments)).Name
}

func send(channel *amqp.Channel, queue string, texts ...any) {
	for _, text := range texts {
		publish(channel, "", queue, amqp.Publishing{Body: []byte(fmt.Sprint(text))})
	}
}

func publish(channel *amqp.Channel, exchange, key string, message amqp.Publishing) {
	must(channel.PublishWithContext(context.Background(), exchange, key, false, false, message))
}

func get(channel *amqp.Channel, queue string) (message amqp.Delivery) {
	eventually("a message is in "+queue, func() bool {
		found, ok, err := channel.Get(queue, false)
		must(err)
		message = found
		return ok
	})
	return message
}

func bodies(channel *amqp.Channel, queue string, count int) string {
	var found []string
	for len(found) < count {
		message := get(channel, queue)
		must(message.Ack(false))
		found = append(found, string(message.Body))
	}
	_, ok, err := channel.Get(queue, true)
	must(err)
	that(!ok, "there are more messages than", count)
	return strings.Join(found, " ")
}

func consume(channel *amqp.Channel, queue string, autoAck bool, arguments amqp.Table) <-chan amqp.Delivery {
	tag := unique("tag")
	return got(channel.Consume(queue, tag, autoAck, false, false, false, arguments))
}

// closes makes a call on a new channel that is answered with the channel's end.
func closes(connection *amqp.Connection, code int, start string, call func(*amqp.Channel) error) {
	channel := got(connection.Channel())
	var told *amqp.Error
	that(errors.As(call(channel), &told), "no", code, "came")
	equal(told.Code, code)
	that(strings.HasPrefix(told.Reason, start), told.Reason)
	that(told.Server, "it is not the server's")
}

func reason(message amqp.Delivery) string {
	deaths, _ := message.Headers["x-death"].([]any)
	that(len(deaths) > 0, "there is no x-death in", message.Headers)
	return fmt.Sprint(deaths[0].(amqp.Table)["reason"])
}

func all() {
	routing()
	publishing()
	consuming()
	queues()
	failures()
	for _, command := range []string{"restart", "kill"} {
		run("a client reconnects and loses nothing: "+command, func() { reconnect(command) })
	}
}

func routing() {
	with("exchanges of all kinds, also bound to each other", func(channel *amqp.Channel, _ *amqp.Connection) {
		for _, kind := range []string{"direct", "fanout", "topic", "headers"} {
			source, inner, name := unique(kind), unique("inner"), queue(channel, nil)
			match := amqp.Table{"x-match": "all", "n": 1}
			must(channel.ExchangeDeclare(source, kind, false, true, false, false, nil))
			must(channel.ExchangeDeclare(inner, "fanout", false, true, false, false, nil))
			must(channel.ExchangeBind(inner, "a.b", source, false, match))
			must(channel.QueueBind(name, "", inner, false, nil))
			publish(channel, source, "a.b", amqp.Publishing{Headers: amqp.Table{"n": 1}, Body: []byte(kind)})
			equal(bodies(channel, name, 1), kind)
			must(channel.ExchangeUnbind(inner, "a.b", source, false, match))
		}
	})
	with("properties and headers come back", func(channel *amqp.Channel, _ *amqp.Connection) {
		name := queue(channel, nil)
		given := amqp.Publishing{
			Headers: amqp.Table{
				"text": "grüße", "int": int32(1), "long": int64(1) << 40, "double": 2.5, "yes": true,
				"none": nil, "list": []any{int32(1), "two"}, "table": amqp.Table{"deep": "er"},
				"decimal": amqp.Decimal{Scale: 2, Value: 314}, "bytes": []byte{255, 0},
			},
			ContentType: "text/plain", ContentEncoding: "utf-8", DeliveryMode: 2, Priority: 3,
			CorrelationId: "c", ReplyTo: "r", Expiration: "60000", MessageId: "m",
			Timestamp: time.Unix(12345, 0), Type: "t", UserId: "guest", AppId: "a",
			Body: make([]byte, 300_000),
		}
		publish(channel, "", name, given)
		found := get(channel, name)
		equal(found.Headers, given.Headers)
		equal(len(found.Body), len(given.Body))
		equal(fmt.Sprint(found.ContentType, found.Priority, found.Expiration, found.Timestamp.Unix(), found.UserId),
			fmt.Sprint(given.ContentType, given.Priority, given.Expiration, given.Timestamp.Unix(), given.UserId))
	})
	with("an alternate exchange, CC and BCC", func(channel *amqp.Channel, _ *amqp.Connection) {
		spare, main, name, copied := unique("spare"), unique("main"), queue(channel, nil), queue(channel, nil)
		must(channel.ExchangeDeclare(spare, "fanout", false, true, false, false, nil))
		must(channel.ExchangeDeclare(main, "direct", false, false, false, false, amqp.Table{"alternate-exchange": spare}))
		must(channel.QueueBind(name, "", spare, false, nil))
		publish(channel, main, "nobody", amqp.Publishing{Body: []byte("spare")})
		equal(bodies(channel, name, 1), "spare")
		copies := amqp.Table{"CC": []any{copied}, "BCC": []any{name}}
		publish(channel, "", unique("nobody"), amqp.Publishing{Headers: copies})
		for _, each := range []string{name, copied} {
			equal(get(channel, each).Headers, amqp.Table{"CC": []any{copied}})
		}
		must(channel.ExchangeDelete(main, false, false))
	})
	with("a virtual topic gives each group one copy", func(channel *amqp.Channel, _ *amqp.Connection) {
		onlyWarren()
		for _, name := range []string{"Consumer.A.VirtualTopic.Go", "Consumer.B.VirtualTopic.*"} {
			got(channel.QueueDeclare(name, false, true, false, false, nil))
			publish(channel, "amq.virtual-topic", "VirtualTopic.Go", amqp.Publishing{Body: []byte("x")})
			that(string(get(channel, name).Body) == "x", "another message came")
			got(channel.QueueDelete(name, false, false, false))
		}
	})
}

func publishing() {
	with("confirms, singly and in runs", func(channel *amqp.Channel, _ *amqp.Connection) {
		name := queue(channel, nil)
		must(channel.Confirm(false))
		const count = 2000
		confirms := channel.NotifyPublish(make(chan amqp.Confirmation, count))
		for number := 0; number < count; number++ {
			send(channel, name, number)
		}
		for number := uint64(1); number <= count; number++ {
			equal(receive("a confirm", confirms), amqp.Confirmation{DeliveryTag: number, Ack: true})
		}
		equal(got(channel.QueueDeclarePassive(name, false, false, true, false, nil)).Messages, count)
	})
	with("deferred confirms, and a nack of a full queue", func(channel *amqp.Channel, _ *amqp.Connection) {
		name := queue(channel, amqp.Table{"x-max-length": 1, "x-overflow": "reject-publish"})
		must(channel.Confirm(false))
		for number, expected := range []bool{true, false, false} {
			message := amqp.Publishing{Body: []byte(fmt.Sprint(number))}
			confirm := got(channel.PublishWithDeferredConfirm("", name, false, false, message))
			limited, cancel := context.WithTimeout(context.Background(), patience)
			equal(got(confirm.WaitContext(limited)), expected)
			cancel()
		}
		equal(bodies(channel, name, 1), "0")
	})
	with("returns of unroutable messages", func(channel *amqp.Channel, _ *amqp.Connection) {
		must(channel.Confirm(false))
		returns := channel.NotifyReturn(make(chan amqp.Return, 1))
		confirms := channel.NotifyPublish(make(chan amqp.Confirmation, 1))
		must(channel.PublishWithContext(context.Background(), "amq.direct", unique("nobody"), true, false,
			amqp.Publishing{Body: []byte("back")}))
		that(receive("a confirm", confirms).Ack, "it is not confirmed")
		returned := receive("a return", returns)
		equal(fmt.Sprint(returned.ReplyCode, returned.ReplyText, string(returned.Body)), "312NO_ROUTEback")
	})
	with("transactions commit and roll back", func(channel *amqp.Channel, connection *amqp.Connection) {
		name := queue(channel, nil)
		tx := got(connection.Channel())
		must(tx.Tx())
		send(tx, name, "lost")
		must(tx.TxRollback())
		send(tx, name, "kept")
		must(tx.TxCommit())
		equal(bodies(channel, name, 1), "kept")
	})
}

func consuming() {
	with("prefetch of consumers and of a channel", func(channel *amqp.Channel, _ *amqp.Connection) {
		name := queue(channel, nil)
		send(channel, name, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
		must(channel.Qos(2, 0, false))
		one := consume(channel, name, false, nil)
		receive("a first", one)
		last := receive("a second", one)
		must(channel.Qos(3, 0, true))
		two := consume(channel, name, false, nil)
		receive("a third", two)
		equal(got(channel.QueueDeclarePassive(name, false, false, true, false, nil)).Messages, 7)
		must(last.Ack(true))
		eventually("two more come", func() bool {
			return got(channel.QueueDeclarePassive(name, false, false, true, false, nil)).Messages == 5
		})
	})
	with("nack and reject put back to the same place", func(channel *amqp.Channel, _ *amqp.Connection) {
		name := queue(channel, nil)
		send(channel, name, 0, 1, 2)
		get(channel, name)
		must(get(channel, name).Nack(true, true))
		again := get(channel, name)
		that(again.Redelivered && string(again.Body) == "0", "another came", string(again.Body))
		must(again.Reject(false))
		equal(bodies(channel, name, 2), "1 2")
	})
	with("a single active consumer, and the next when it goes", func(channel *amqp.Channel, connection *amqp.Connection) {
		name := queue(channel, amqp.Table{"x-single-active-consumer": true})
		first := got(connection.Channel())
		one := consume(first, name, false, nil)
		two := consume(channel, name, false, nil)
		send(channel, name, 0)
		receive("a delivery", one)
		must(first.Close())
		that(receive("a delivery", two).Redelivered, "it is not marked")
	})
	with("the server cancels the consumers of a deleted queue", func(channel *amqp.Channel, connection *amqp.Connection) {
		name := queue(channel, nil)
		deliveries := consume(channel, name, true, nil)
		cancels := channel.NotifyCancel(make(chan string, 1))
		got(got(connection.Channel()).QueueDelete(name, false, false, false))
		that(receive("a cancellation", cancels) != "", "it has no tag")
		eventually("the deliveries end", func() bool {
			select {
			case _, open := <-deliveries:
				return !open
			default:
				return false
			}
		})
	})
	with("requests and replies over amq.rabbitmq.reply-to", func(channel *amqp.Channel, connection *amqp.Connection) {
		name := queue(channel, nil)
		replies := consume(channel, "amq.rabbitmq.reply-to", true, nil)
		publish(channel, "", name, amqp.Publishing{ReplyTo: "amq.rabbitmq.reply-to", CorrelationId: "7"})
		other := got(connection.Channel())
		asked := get(channel, name)
		publish(other, "", asked.ReplyTo, amqp.Publishing{CorrelationId: asked.CorrelationId, Body: []byte("answer")})
		reply := receive("an answer", replies)
		equal(reply.CorrelationId+string(reply.Body), "7answer")
	})
	with("consumers of a higher priority come first", func(channel *amqp.Channel, _ *amqp.Connection) {
		name := queue(channel, nil)
		consume(channel, name, true, nil)
		high := consume(channel, name, true, amqp.Table{"x-priority": 9})
		send(channel, name, 0, 1, 2)
		for number := 0; number < 3; number++ {
			equal(string(receive("a delivery", high).Body), fmt.Sprint(number))
		}
	})
}

func queues() {
	with("messages expire, are rejected and dropped, and dead-lettered", func(channel *amqp.Channel, _ *amqp.Connection) {
		dead := queue(channel, nil)
		name := queue(channel, amqp.Table{
			"x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead, "x-max-length": 1,
		})
		publish(channel, "", name, amqp.Publishing{Expiration: "20"})
		letter := get(channel, dead)
		equal(reason(letter), "expired")
		equal(letter.Expiration, "")
		send(channel, name, "rejected")
		must(get(channel, name).Reject(false))
		equal(reason(get(channel, dead)), "rejected")
		send(channel, name, "dropped", "stays")
		equal(reason(get(channel, dead)), "maxlen")
	})
	with("priorities order a queue", func(channel *amqp.Channel, _ *amqp.Connection) {
		name := queue(channel, amqp.Table{"x-max-priority": 10})
		for _, priority := range []uint8{1, 9, 4} {
			publish(channel, "", name, amqp.Publishing{Priority: priority, Body: []byte(fmt.Sprint(priority))})
		}
		equal(bodies(channel, name, 3), "9 4 1")
	})
	with("an unused queue expires", func(channel *amqp.Channel, connection *amqp.Connection) {
		name := got(channel.QueueDeclare(unique("expires"), false, false, false, false, amqp.Table{"x-expires": 200})).Name
		eventually("it is gone", func() bool {
			time.Sleep(300 * time.Millisecond)
			its := got(connection.Channel())
			defer its.Close()
			_, err := its.QueueDeclarePassive(name, false, false, false, false, nil)
			return err != nil
		})
	})
	with("a stream is read from where a reader wants", func(channel *amqp.Channel, connection *amqp.Connection) {
		name := unique("stream")
		got(channel.QueueDeclare(name, true, false, false, false, amqp.Table{"x-queue-type": "stream"}))
		must(channel.Confirm(false))
		for number := 0; number < 5; number++ {
			confirm := got(channel.PublishWithDeferredConfirm("", name, false, false,
				amqp.Publishing{Body: []byte(fmt.Sprint(number))}))
			limited, cancel := context.WithTimeout(context.Background(), patience)
			that(got(confirm.WaitContext(limited)), "it is refused")
			cancel()
		}
		for first, offset := range map[int]any{0: "first", 3: 3} {
			reader := got(connection.Channel())
			must(reader.Qos(10, 0, false))
			seen := consume(reader, name, false, amqp.Table{"x-stream-offset": offset})
			for number := first; number < 5; number++ {
				message := receive("a message", seen)
				equal(string(message.Body), fmt.Sprint(number))
				equal(message.Headers["x-stream-offset"], int64(number))
				must(message.Ack(false))
			}
			must(reader.Close())
		}
		got(channel.QueueDelete(name, false, false, false))
	})
}

func failures() {
	with("errors have RabbitMQ's codes and texts", func(channel *amqp.Channel, connection *amqp.Connection) {
		name := queue(channel, nil)
		closes(connection, 404, "NOT_FOUND - no queue 'none' in vhost '/'", func(its *amqp.Channel) error {
			_, err := its.QueueDeclarePassive("none", false, false, false, false, nil)
			return err
		})
		closes(connection, 406, "PRECONDITION_FAILED - inequivalent arg 'type' for exchange 'amq.direct' in vhost '/'",
			func(its *amqp.Channel) error {
				return its.ExchangeDeclare("amq.direct", "topic", true, false, false, false, nil)
			})
		closes(connection, 403, "ACCESS_REFUSED - operation not permitted on the default exchange",
			func(its *amqp.Channel) error { return its.QueueBind(name, "x", "", false, nil) })
		closes(connection, 406, "PRECONDITION_FAILED - invalid arg 'x-expires'", func(its *amqp.Channel) error {
			_, err := its.QueueDeclare("x", false, false, false, false, amqp.Table{"x-expires": 0})
			return err
		})
	})
	with("a channel's end is told, and the connection goes on", func(channel *amqp.Channel, connection *amqp.Connection) {
		ends := channel.NotifyClose(make(chan *amqp.Error, 1))
		must(channel.Ack(99, false))
		told := receive("the channel's end", ends)
		equal(fmt.Sprint(told.Code, told.Reason), "406PRECONDITION_FAILED - unknown delivery tag 99")
		must(got(connection.Channel()).Close())
	})
	with("immediate is answered with 540", func(channel *amqp.Channel, connection *amqp.Connection) {
		ends := connection.NotifyClose(make(chan *amqp.Error, 1))
		must(channel.PublishWithContext(context.Background(), "", "x", false, true, amqp.Publishing{}))
		told := receive("the connection's end", ends)
		equal(fmt.Sprint(told.Code, told.Reason), "540NOT_IMPLEMENTED - immediate=true")
	})
	run("a wrong password is told", func() {
		_, err := amqp.Dial("amqp://guest:wrong@" + host + ":" + port + "/")
		that(errors.Is(err, amqp.ErrCredentials), err)
	})
	run("a missing virtual host is told", func() {
		_, err := amqp.Dial("amqp://guest:guest@" + host + ":" + port + "/missing")
		var told *amqp.Error
		that(errors.As(err, &told) && told.Code == 530, err)
	})
	with("a low disk blocks publishers", func(channel *amqp.Channel, connection *amqp.Connection) {
		name := queue(channel, nil)
		blockings := connection.NotifyBlocked(make(chan amqp.Blocking, 10))
		control("block")
		defer control("unblock")
		eventually("publishers are blocked", func() bool {
			send(channel, name, "x")
			time.Sleep(100 * time.Millisecond)
			return len(blockings) > 0
		})
		equal(receive("a blocking", blockings), amqp.Blocking{Active: true, Reason: "low on disk"})
	})
}

// reconnect does what the library leaves to programs: it dials again, and declares and consumes.
func reconnect(command string) {
	name, confirmed := unique("durable"), 0
	connection := connect()
	ends := connection.NotifyClose(make(chan *amqp.Error, 1))
	channel := got(connection.Channel())
	must(channel.Confirm(false))
	got(channel.QueueDeclare(name, true, false, false, false, nil))
	persist := func(number int) {
		message := amqp.Publishing{DeliveryMode: amqp.Persistent, Body: []byte(fmt.Sprint(number))}
		confirm := got(channel.PublishWithDeferredConfirm("", name, false, false, message))
		limited, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		that(got(confirm.WaitContext(limited)), "it is refused")
		confirmed++
	}
	for number := 0; number < 50; number++ {
		persist(number)
	}
	held := get(channel, name)
	equal(string(held.Body), "0")
	control(command)
	told := receive("the connection's end", ends)
	if command == "restart" {
		equal(told.Code, 320)
	}
	connection = connect()
	defer connection.Close()
	channel = got(connection.Channel())
	must(channel.Confirm(false))
	got(channel.QueueDeclare(name, true, false, false, false, nil))
	for number := 50; number < 60; number++ {
		persist(number)
	}
	deliveries := consume(channel, name, false, nil)
	for number := 0; number < confirmed; number++ {
		message := receive("a delivery", deliveries)
		equal(string(message.Body), fmt.Sprint(number))
		// A delivery leaves before it is synced, so that a kill may come between.
		that(message.Redelivered || number > 0 || command == "kill", "what was held is not marked")
		must(message.Ack(false))
	}
	got(channel.QueueDelete(name, false, false, false))
}
