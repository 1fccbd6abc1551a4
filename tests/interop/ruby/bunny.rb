# Checks a broker with Bunny: bunny.rb HOST PORT CONTROL_PORT warren|rabbitmq
#
# Each check prints a line, and the last line sums up.

require "bunny"
require "logger"
require "socket"
require "timeout"

HOST, PORT, CONTROL, BROKER = ARGV
PATIENCE = 30
SKIP = Class.new(StandardError)
RESULTS = { "ok" => 0, "FAILED" => 0, "skipped" => 0 }

$stdout.sync = true
$names = 0

def check(name, only: nil)
  raise SKIP, "only #{only} has it" unless [nil, BROKER].include?(only)
  Timeout.timeout(4 * PATIENCE) { yield }
  result, text = "ok", ""
rescue SKIP => error
  result, text = "skipped", ": #{error.message}"
rescue Exception => error
  puts error.full_message(highlight: false)
  result, text = "FAILED", ": #{error.class}: #{error.message.tr("\n", " ")}"
ensure
  RESULTS[result] += 1
  puts "#{result}: #{name}#{text}"
end

def connect(**more)
  Bunny.new(host: HOST, port: PORT.to_i, log_level: Logger::FATAL, network_recovery_interval: 0.3,
            recover_from_connection_close: true, **more).tap(&:start)
end

# A check with a channel on a connection of its own.
def with(name, only: nil)
  check(name, only: only) do
    connection = connect(automatically_recover: false)
    begin
      yield connection.create_channel, connection
    ensure
      connection.close if connection.open?
    end
  end
end

def unique(stem)
  $names += 1
  "#{stem}-#{Process.clock_gettime(Process::CLOCK_REALTIME, :nanosecond).to_s(36)}-#{$names}"
end

def queue(channel, **arguments)
  arguments = arguments.to_h { |name, value| [name.to_s.tr("_", "-"), value] }
  channel.queue(unique("ruby"), exclusive: true, arguments: arguments)
end

def that(condition, told)
  raise "it is not so: #{told}" unless condition
end

def equal(found, expected)
  raise "found #{found.inspect}, expected #{expected.inspect}" unless found == expected
end

def eventually(what)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + PATIENCE
  loop do
    value = yield
    return value if value
    now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    raise "it did not come about that #{what}" if now > deadline
    sleep 0.02
  end
end

def get(queue, **options)
  eventually("a message is there") do
    message = queue.pop(**options)
    message if message[0]
  end
end

def bodies(queue, count)
  found = Array.new(count) { get(queue)[2] }
  equal(queue.pop, [nil, nil, nil])
  found
end

def publish(channel, queue, *texts, **options)
  exchange = channel.default_exchange
  texts.each { |text| exchange.publish(text.to_s, routing_key: queue.name, **options) }
end

# Asks the harness for restart, kill, block or unblock of the broker.
def control(command)
  answer = TCPSocket.open(HOST, CONTROL.to_i) do |stream|
    stream.puts(command)
    stream.gets.to_s.strip
  end
  raise SKIP, "the harness cannot do it here" if answer == "unavailable"
  equal(answer, "ok")
end

def refused(kind)
  yield
  raise "no #{kind} came"
rescue kind => error
  error
end

check("a wrong password and a missing virtual host are told") do
  refused(Bunny::AuthenticationFailureError) { connect(password: "wrong") }
  refused(Bunny::NotAllowedError) { connect(vhost: "missing") }
end

with("the server tells its product and capabilities") do |_, connection|
  properties = connection.server_properties
  equal(properties["product"], "RabbitMQ")
  equal(properties["capabilities"].values.uniq, [true])
end

with("exchanges of all kinds, also bound to each other") do |channel|
  %w[direct fanout topic headers].each do |kind|
    source = channel.send(kind, unique(kind), auto_delete: true)
    inner = channel.fanout(unique("inner"), auto_delete: true)
    target = queue(channel)
    inner.bind(source, routing_key: "a.b", arguments: { "x-match" => "any", "n" => 1 })
    target.bind(inner)
    source.publish(kind, routing_key: "a.b", headers: { "n" => 1 })
    equal(bodies(target, 1), [kind])
    inner.unbind(source, routing_key: "a.b", arguments: { "x-match" => "any", "n" => 1 })
  end
end

with("properties and headers come back") do |channel|
  target = queue(channel)
  given = {
    content_type: "text/plain", content_encoding: "utf-8", delivery_mode: 2, priority: 3,
    correlation_id: "c", reply_to: "r", expiration: "60000", message_id: "m",
    timestamp: 12_345, type: "t", user_id: "guest", app_id: "a",
    headers: { "text" => "text", "int" => 1, "double" => 2.5, "yes" => true, "none" => nil,
               "list" => [1, "two"], "table" => { "deep" => { "er" => 1 } } }
  }
  channel.default_exchange.publish("x" * 300_000, routing_key: target.name, **given)
  _, properties, body = get(target)
  equal(body.bytesize, 300_000)
  # Bunny takes a number, and gives a time.
  equal(properties.timestamp.to_i, given.delete(:timestamp))
  given.each { |key, value| equal(properties[key], value) }
end

with("confirms, nacks and returns") do |channel|
  target = queue(channel, x_max_length: 500, x_overflow: "reject-publish")
  channel.confirm_select
  publish(channel, target, *0...500)
  that(channel.wait_for_confirms, "all are confirmed")
  publish(channel, target, "one too many")
  that(!channel.wait_for_confirms, "it is refused")
  equal(channel.nacked_set.size, 1)
  returned = Queue.new
  exchange = channel.default_exchange
  exchange.on_return { |info, _, body| returned << [info.reply_code, info.reply_text, body] }
  exchange.publish("back", routing_key: unique("nobody"), mandatory: true)
  channel.wait_for_confirms
  equal(Timeout.timeout(PATIENCE) { returned.pop }, [312, "NO_ROUTE", "back"])
end

with("transactions commit and roll back") do |channel, connection|
  target = queue(channel)
  tx = connection.create_channel
  tx.tx_select
  publish(tx, target, "lost")
  tx.tx_rollback
  publish(tx, target, "kept")
  tx.tx_commit
  equal(bodies(target, 1), ["kept"])
end

with("prefetch, acknowledgements, and putting back") do |channel|
  target = queue(channel)
  publish(channel, target, *0...10)
  channel.prefetch(3)
  seen = Queue.new
  target.subscribe(manual_ack: true) { |*message| seen << message }
  eventually("three come") { seen.size == 3 }
  equal(target.message_count, 7)
  infos = Array.new(3) { seen.pop[0] }
  channel.nack(infos[0].delivery_tag, false, true)
  info, _, body = Timeout.timeout(PATIENCE) { seen.pop }
  equal([body, info.redelivered?], ["0", true])
  channel.ack(info.delivery_tag, true)
  eventually("three more come") { seen.size == 3 }
end

with("expired, rejected and dropped messages are dead-lettered") do |channel|
  dead = queue(channel)
  target = queue(channel, x_dead_letter_exchange: "", x_dead_letter_routing_key: dead.name,
                          x_max_length: 1)
  publish(channel, target, "x", expiration: "20")
  reasons = [get(dead)[1].headers["x-death"][0]["reason"]]
  publish(channel, target, "y")
  channel.reject(get(target, manual_ack: true)[0].delivery_tag, false)
  reasons << get(dead)[1].headers["x-first-death-reason"]
  publish(channel, target, "drop", "stay")
  reasons << get(dead)[1].headers["x-death"][0]["reason"]
  equal(reasons, %w[expired rejected maxlen])
end

with("priorities order a queue") do |channel|
  target = queue(channel, x_max_priority: 10)
  [1, 9, 4].each { |priority| publish(channel, target, priority, priority: priority) }
  equal(bodies(target, 3), %w[9 4 1])
end

with("a single active consumer, and the next when it goes") do |channel|
  target = queue(channel, x_single_active_consumer: true)
  one, two = Queue.new, Queue.new
  consumer = target.subscribe { |*message| one << message[2] }
  target.subscribe { |*message| two << message[2] }
  publish(channel, target, *0...5)
  eventually("the first has all") { one.size == 5 }
  consumer.cancel
  publish(channel, target, *0...5)
  eventually("the second has all") { two.size == 5 }
end

with("the server cancels the consumers of a deleted queue") do |channel, connection|
  target = queue(channel)
  cancelled = Queue.new
  consumer = Bunny::Consumer.new(channel, target)
  consumer.on_cancellation { |cancel| cancelled << cancel.consumer_tag }
  target.subscribe_with(consumer)
  connection.create_channel.queue_delete(target.name)
  equal(Timeout.timeout(PATIENCE) { cancelled.pop }, consumer.consumer_tag)
end

with("requests and replies over amq.rabbitmq.reply-to") do |channel|
  target, answers = queue(channel), Queue.new
  reply_to = "amq.rabbitmq.reply-to"
  channel.basic_consume(reply_to, "", true) { |*message| answers << message[2] }
  publish(channel, target, "ask", reply_to: reply_to)
  _, asked, = get(target)
  channel.default_exchange.publish("answer", routing_key: asked.reply_to)
  equal(Timeout.timeout(PATIENCE) { answers.pop }, "answer")
end

with("an alternate exchange, CC and BCC") do |channel|
  spare = channel.fanout(unique("spare"), auto_delete: true)
  main = channel.direct(unique("main"), arguments: { "alternate-exchange" => spare.name })
  target, copy = queue(channel), queue(channel)
  target.bind(spare)
  main.publish("spare", routing_key: "nobody")
  equal(bodies(target, 1), ["spare"])
  publish(channel, target, "x", headers: { "CC" => [copy.name], "BCC" => ["nobody"] })
  [target, copy].each { |each| equal(get(each)[1].headers, { "CC" => [copy.name] }) }
  main.delete
end

with("an unused queue expires") do |_, connection|
  name = unique("expires")
  connection.with_channel { |channel| channel.queue(name, arguments: { "x-expires" => 200 }) }
  eventually("it is gone") do
    sleep 0.3
    !connection.queue_exists?(name)
  end
end

with("errors have RabbitMQ's codes and texts") do |channel, connection|
  error = refused(Bunny::NotFound) { connection.create_channel.queue("none", passive: true) }
  equal(error.channel_close.reply_text, "NOT_FOUND - no queue 'none' in vhost '/'")
  target = queue(channel)
  refused(Bunny::PreconditionFailed) do
    connection.create_channel.queue(target.name, exclusive: true, auto_delete: true)
  end
  refused(Bunny::AccessRefused) { connection.create_channel.queue("amq.mine") }
  other = connect
  refused(Bunny::ResourceLocked) { other.create_channel.queue(target.name, passive: true) }
  other.close
  bad, told = connection.create_channel, Queue.new
  bad.on_error { |_, close| told << close.reply_text }
  bad.ack(82)
  text = "PRECONDITION_FAILED - unknown delivery tag 82"
  equal(Timeout.timeout(PATIENCE) { told.pop }, text)
end

with("a virtual topic gives each group one copy", only: "warren") do |channel|
  queues = ["Consumer.A.VirtualTopic.Ruby", "Consumer.B.VirtualTopic.*"].map do |name|
    channel.queue(name, auto_delete: true)
  end
  channel.basic_publish("x", "amq.virtual-topic", "VirtualTopic.Ruby")
  queues.each { |each| equal(get(each)[2], "x") && each.delete }
end

check("a low disk blocks publishers") do
  connection, notes = connect, Queue.new
  connection.on_blocked { |blocked| notes << blocked.reason }
  connection.on_unblocked { notes << "unblocked" }
  channel = connection.create_channel
  target = queue(channel)
  control("block")
  begin
    eventually("publishers are blocked") do
      publish(channel, target, "x") if notes.empty?
      !notes.empty?
    end
  ensure
    control("unblock")
  end
  equal(Array.new(2) { Timeout.timeout(PATIENCE) { notes.pop } }, ["low on disk", "unblocked"])
  connection.close
end

# Queues, bindings, consumers and prefetch are recovered, and no confirmed message is lost.
def recovers(command)
  connection = connect(automatically_recover: true, recovery_attempts: 200)
  channel = connection.create_channel
  channel.prefetch(5)
  exchange = channel.topic(unique("recovered"))
  durable = channel.queue(unique("durable"), durable: true)
  own = channel.queue(unique("own"), exclusive: true)
  [durable, own].each { |target| target.bind(exchange, routing_key: "a.*") }
  seen = { durable => {}, own => {} }
  seen.each do |target, its|
    target.subscribe(manual_ack: true) do |info, _, body|
      its[body] = true
      channel.ack(info.delivery_tag)
    end
  end
  sending = connection.create_channel
  sending.confirm_select
  publish(sending, durable, *0...50, persistent: true)
  that(sending.wait_for_confirms, "all are confirmed")
  recovered = Queue.new
  connection.after_recovery_completed { recovered << true }
  control(command)
  Timeout.timeout(PATIENCE) { recovered.pop }
  sending.basic_publish("after", exchange.name, "a.b")
  eventually("all came") { seen[durable].size == 51 && seen[own]["after"] }
  durable.delete
  exchange.delete
  connection.close
end

check("connections recover from a restart") { recovers("restart") }
check("connections recover from kill -9") { recovers("kill") }

puts format("%d passed, %d failed, %d skipped", *RESULTS.values)
exit(RESULTS["FAILED"].zero? && RESULTS["ok"].positive?)
