"""RabbitMQ's command line tool rabbitmqadmin, version 2: every command that it has, as it lists
them itself. A command that this table does not know fails the program."""

import json

import pika
from admin_base import FAILS, NOT_APPLICABLE, UNKNOWN, command, covered, listed, optional, run
from api_base import HOST, HTTP, Named, checks, done, equal, eventually, get, has, step
from check import BROKER, PORT, Skip


def named(*names):
    return Named(set(names))


def length(number):
    return lambda found: len(found) == number


GONE = 404

# Virtual hosts.
command("declare vhost", "--name v --description mine", then=("/vhosts/v", has(description="mine")))
command("vhosts declare", "--name w --tracing", then=("/vhosts/w", has(name="w")))
command("list vhosts", prints=["v", "w", "mine"])
command("vhosts list", prints=["v", "w"])
command("vhosts enable_deletion_protection", "--name w")
command("vhosts delete", "--name w --idempotently", accepted=FAILS if BROKER == "warren" else (0,))
command("vhosts disable_deletion_protection", "--name w", accepted=(0,))
command("delete vhost", "--name w --idempotently", then=("/vhosts/w", GONE))
for name in ("many-1", "many-2", "other"):
    command("vhosts declare", f"--name {name}")
command(
    "vhosts delete_multiple",
    "--name-pattern ^many- --dry-run",
    then=("/vhosts/many-1", has(name="many-1")),
)
command("vhosts delete_multiple", "--name-pattern ^many- --approve", then=("/vhosts/many-2", GONE))
command("vhosts delete", "--name other", then=("/vhosts/other", GONE))
command("vhosts delete", "--name other", accepted=FAILS, prints="404")

# Users and permissions.
command(
    "declare user",
    "--name ann --password secret --tags monitoring",
    then=("/users/ann", has(tags=["monitoring"])),
)
command(
    "users declare",
    "--name bob --password secret --hashing-algorithm SHA512 --tags management",
    then=("/users/bob", has(name="bob")),
)
command("list users", prints=["ann", "bob", "monitoring"])
command("users list", prints=["ann", "bob"])
command("passwords salt_and_hash", "secret", prints="hash")
command(
    "declare permissions",
    "--username ann --configure ^c --write ^w --read .*",
    then=("/permissions/v/ann", has(configure="^c", write="^w", read=".*")),
)
command(
    "permissions declare",
    "--username bob --configure .* --write .* --read .*",
    then=("/permissions/v/bob", has(write=".*")),
)
command("list permissions", prints=["ann", "^c"])
command("permissions list", prints=["ann", "bob"])
command("users permissions", prints=["ann", "bob"])
command("delete permissions", "--username ann", then=("/permissions/v/ann", GONE))
command("permissions delete", "--username bob", then=("/permissions/v/bob", GONE))
command(
    "declare user_limit",
    "--username ann --name max-channels --value 7",
    then=("/user-limits/ann", [{"user": "ann", "value": {"max-channels": 7}}]),
)
command(
    "user_limits declare",
    "--username ann --name max-connections --value 3",
    then=("/user-limits/ann", lambda it: it[0]["value"]["max-connections"] == 3),
)
command("list user_limits", "--username ann", prints=["max-channels", "7"])
command("user_limits list", "--username ann", prints="max-connections")
command("users limits", "--username ann", prints="max-connections")
command("delete user_limit", "--username ann --name max-channels")
command("user_limits delete", "--username ann --name max-connections")
command("users connections", "--username ann")
command("list user_connections", "--username ann")
command("connections list_of_user", "--username ann")
command("delete user", "--name ann", then=("/users/ann", GONE))
command("users delete", "--name bob", then=("/users/bob", GONE))

# Limits of virtual hosts.
command(
    "declare vhost_limit",
    "--name max-queues --value 90",
    then=("/vhost-limits/v", [{"vhost": "v", "value": {"max-queues": 90}}]),
)
command(
    "vhost_limits declare",
    "--name max-connections --value 80",
    then=("/vhost-limits/v", lambda it: it[0]["value"]["max-connections"] == 80),
)
command("list vhost_limits", prints=["max-queues", "90"])
command("vhost_limits list", prints=["max-connections", "80"])
command("delete vhost_limit", "--name max-queues")
command("vhost_limits delete", "--name max-connections")

# Queues and streams.
ARGUMENTS = """--arguments '{"x-max-length": 5}'"""
command(
    "declare queue",
    f"--name q --type classic --durable true {ARGUMENTS}",
    then=("/queues/v/q", has(durable=True, arguments=lambda it: it["x-max-length"] == 5)),
)
command(
    "queues declare", "--name many-1 --type quorum", then=("/queues/v/many-1", has(type="quorum"))
)
command(
    "queues declare",
    "--name many-2 --durable false --auto-delete true",
    then=("/queues/v/many-2", has(durable=False, auto_delete=True)),
)
command(
    "queues declare",
    "--name q --type classic --durable false",
    accepted=FAILS,
    prints="inequivalent arg 'durable'",
)
command(
    "declare stream",
    "--name s --expiration 2h --max-length-bytes 20000000",
    then=("/queues/v/s", has(type="stream")),
)
command(
    "streams declare",
    "--name t --expiration 2h --stream-max-segment-size-bytes 1000000",
    then=("/queues/v/t", has(type="stream")),
)
command("list queues", prints=["q", "many-1", "quorum"])
command("queues list", prints=["q", "many-2"])
command("queues list", "--columns name,queue_type", prints="quorum")
command("streams list", prints=["s", "t"])
command("queues show", "--name q", prints=["q", "classic"])
command("streams show", "--name s", prints=["s", "stream"])
command("queues purge", "--name q")
command("purge queue", "--name q")
command("queues rebalance")
command("rebalance queues")
command(
    "queues delete_multiple",
    "--name-pattern ^many- --approve",
    then=("/queues/v", named("q", "s", "t")),
)
command("delete stream", "--name s", then=("/queues/v/s", GONE))
command("streams delete", "--name t", then=("/queues/v/t", GONE))

# Exchanges and bindings.
command(
    "declare exchange",
    "--name x --type topic --durable true",
    then=("/exchanges/v/x", has(type="topic", durable=True)),
)
command(
    "exchanges declare",
    "--name y --type fanout --auto-delete true",
    then=("/exchanges/v/y", has(auto_delete=True)),
)
command("list exchanges", prints=["x", "amq.topic"])
command("exchanges list", prints=["y", "amq.fanout"])
B = "/bindings/v/e/x/q/q"
TO_Q = "--source x --destination-type queue --destination q --routing-key"
command("declare binding", f"{TO_Q} a.#", then=(B, length(1)))
command("bindings declare", f"""{TO_Q} 'b/c d' --arguments '{{"n": 1}}'""", then=(B, length(2)))
command(
    "exchanges bind",
    "--source x --destination-type exchange --destination y --routing-key r",
    then=("/bindings/v/e/x/e/y", length(1)),
)
command("list bindings", prints=["a.#", "b/c d"])
command("bindings list", prints=["a.#", "y"])
command("delete binding", f"{TO_Q} a.#", then=(B, length(1)))
command("bindings delete", f"""{TO_Q} 'b/c d' --arguments '{{"n": 1}}'""", then=(B, []))
command(
    "exchanges unbind",
    "--source x --destination-type exchange --destination y --routing-key r",
    then=("/bindings/v/e/x/e/y", []),
)

# Messages.
command("publish message", "--routing-key q --payload hello", prints="published and routed")
command(
    "publish message",
    """--exchange x --routing-key none --payload lost --properties '{"priority": 3}'""",
    prints="NOT routed",
)
command("get messages", "--queue q --count 5 --ack-mode ack_requeue_true", prints="hello")
command("get messages", "--queue q", prints="hello")
command("get messages", "--queue none", accepted=FAILS, prints="404")
command("delete queue", "--name q", then=("/queues/v/q", GONE))
command("queues delete", "--name q --idempotently")
command("delete exchange", "--name x", then=("/exchanges/v/x", GONE))
command("exchanges delete", "--name y", then=("/exchanges/v/y", GONE))

# Policies.
LENGTH = """--definition '{"max-length": 5, "expires": 90000}'"""
for group, declare, path in (
    ("policies", "declare policy", "/policies/v"),
    ("operator_policies", "declare operator_policy", "/operator-policies/v"),
):
    pattern = "--pattern ^q --apply-to queues"
    command(
        declare, f"--name p {pattern} --priority 3 {LENGTH}", then=(f"{path}/p", has(priority=3))
    )
    command(
        f"{group} declare",
        f"--name r --pattern ^z --apply-to queues {LENGTH}",
        then=(path, length(2)),
    )
    command(f"list {group}", prints=["p", "^q", "max-length"])
    command(f"{group} list", prints=["p", "r"])
    command(f"{group} list_in", "--apply-to queues", prints=["p", "r"])
    command(f"{group} list_matching_object", "--name queue --type queues", prints="^q")
    command(
        f"{group} patch",
        """--name p --definition '{"message-ttl": 9}'""",
        then=(f"{path}/p", has(definition={"max-length": 5, "expires": 90000, "message-ttl": 9})),
    )
    command(
        f"{group} update_definition",
        "--name p --definition-key max-length --new-value 6",
        then=(f"{path}/p", has(definition={"max-length": 6, "expires": 90000, "message-ttl": 9})),
    )
    command(
        f"{group} update_definitions_of_all_in",
        "--definition-key max-length --new-value 7",
        then=(f"{path}/r", has(definition={"max-length": 7, "expires": 90000})),
    )
    command(
        f"{group} delete_definition_keys",
        "--name p --definition-keys message-ttl",
        then=(f"{path}/p", has(definition={"max-length": 7, "expires": 90000})),
    )
    command(
        f"{group} delete_definition_keys_from_all_in",
        "--definition-keys expires",
        then=(f"{path}/r", has(definition={"max-length": 7})),
    )
command(
    "policies update_definitions_of_all",
    "--definition-key max-length --new-value 8",
    then=("/policies/v/r", has(definition={"max-length": 8})),
)
command(
    "policies declare_override",
    """--name p --override-name over --definition '{"message-ttl": 4}'""",
    then=(
        "/policies/v/over",
        lambda it: it["definition"]["message-ttl"] == 4 and it["priority"] > 3,
    ),
)
command(
    "policies declare_blanket",
    f"--name blanket --apply-to queues {LENGTH}",
    then=("/policies/v/blanket", lambda it: it["priority"] < 0),
)
command(
    "policies delete_definition_keys_from_all",
    "--definition-keys expires",
    then=("/policies/v/blanket", has(definition={"max-length": 5})),
)
command("policies list_conflicting")
command("policies list_conflicting_in")
command("delete policy", "--name p", then=("/policies/v/p", GONE))
command("policies delete", "--name r", then=("/policies/v/r", GONE))
command("delete operator_policy", "--name p", then=("/operator-policies/v/p", GONE))
command("operator_policies delete", "--name r", then=("/operator-policies/v/r", GONE))

# Parameters.
LIMITS = """--name limits --component vhost-limits --value '{"max-queues": 70}'"""
A = "/parameters/vhost-limits/v"
command("declare parameter", LIMITS, then=(A, length(1)))
command("parameters set", LIMITS, then=(A, length(1)))
command("list parameters", "--component vhost-limits", prints="max-queues")
command("parameters list", "--component vhost-limits", prints="max-queues")
command("parameters list_in", "--component vhost-limits", prints="max-queues")
command("parameters list_all", prints="vhost-limits")
command("delete parameter", "--name limits --component vhost-limits", then=(A, lambda it: it == []))
command("parameters set", LIMITS)
command("parameters clear", "--name limits --component vhost-limits", then=(A, lambda it: it == []))
command(
    "global_parameters set",
    """--name g --value '{"a": 1}'""",
    then=("/global-parameters/g", has(value={"a": 1})),
)
command("global_parameters list", prints="g")
command("global_parameters clear", "--name g", then=("/global-parameters/g", GONE))

# The server.
NODE = get("/overview")["node"]
command("list nodes", prints=NODE)
command("nodes list", prints=NODE)
for group in ("show", "nodes"):
    for unit in ("bytes", "percent"):
        # A server may have no such numbers, and say so.
        command(f"{group} memory_breakdown_in_{unit}", f"--node {NODE}")
command("show overview", prints="Product name")
command("show churn", prints="onnection")
command("show endpoint", prints=f"http://{HOST}:{HTTP}/api")
command("health_check local_alarms")
command("health_check cluster_wide_alarms")
command("health_check node_is_quorum_critical")
command("health_check port_listener", f"--port {PORT}")
command("health_check port_listener", "--port 1", accepted=FAILS)
command("health_check protocol_listener", "--protocol amqp")
command("health_check protocol_listener", "--protocol stomp", accepted=FAILS)
command("health_check deprecated_features_in_use", accepted=(0, UNKNOWN, *FAILS))
command("list feature_flags", prints="enabled")
command("feature_flags list", prints="enabled")
command("feature_flags enable_all")
command("feature_flags enable", f"--name {get('/feature-flags')[0]['name']}")
command("list deprecated_features")
command("list deprecated_features_in_use")
command("deprecated_features list")
command("deprecated_features list_used")
command("plugins list_all")
command("plugins list_on_node", f"--node {NODE}")
command("auth_attempts stats", f"--node {NODE}")
command("shell completions", "--shell bash", prints="rabbitmqadmin")

# Definitions.
command("declare queue", "--name q --durable true")
command("definitions export", "--file whole.json")
command("export definitions", "--file whole2.json")
command("definitions export", "--stdout", prints='"rabbitmq_version"')
command(
    "definitions export",
    "--stdout --transformations exclude_users,exclude_permissions",
    prints='"queues"',
)
command("definitions export_from_vhost", "--file part.json")
command("queues delete", "--name q", then=("/queues/v/q", GONE))
command("definitions import", "--file whole.json", then=("/queues/v/q", has(durable=True)))
command("queues delete", "--name q", then=("/queues/v/q", GONE))
command(
    "definitions import_into_vhost", "--file part.json", then=("/queues/v/q", has(durable=True))
)


@step("definitions come from the standard input too")
def piped():
    text = json.dumps({"vhosts": [{"name": "piped"}]})
    run("definitions import --stdin", given=text)
    equal(get("/vhosts/piped")["name"], "piped")
    done("DELETE /vhosts/piped")


# Connections. The table has them as they are while nobody is connected, and here with one.
for path in (
    "list connections",
    "connections list",
    "list channels",
    "channels list",
    "list consumers",
):
    command(path)
for path in (
    "close connection",
    "close user_connections",
    "connections close",
    "connections close_of_user",
):
    covered.add(path)

    @step(f"{path} of a connection that is there")
    def closed(path=path):
        connection = pika.BlockingConnection(pika.ConnectionParameters(HOST, PORT, "v"))
        connection.channel()

        def told():
            connection.process_data_events(0.05)
            found = get("/vhosts/v/connections")
            whole = found and found[0].get("user") and get("/vhosts/v/channels")
            return found[0]["name"] if whole else None

        name = eventually("it is told", told)
        assert name in run("list connections") and name in run("connections list")
        assert name in run("list channels") and name in run("channels list")
        assert name in run("users connections --username guest")
        run(f"{path} --name '{name}'" if "user" not in path else f"{path} --username guest")
        try:
            eventually("it ends", lambda: connection.process_data_events(0.1) and False)
        except pika.exceptions.ConnectionClosedByBroker as error:
            equal(error.reply_code, 320)
        eventually("it is gone", lambda: get("/connections") == [])


@step("list consumers, of a consumer that is there")
def consumed():
    if BROKER == "rabbitmq":
        raise Skip("RabbitMQ 3.10.8 does not tell the timeout that the tool wants")
    connection = pika.BlockingConnection(pika.ConnectionParameters(HOST, PORT, "v"))
    connection.channel().basic_consume("q", lambda *_: None, consumer_tag="the tag")
    eventually(
        "it is told", lambda: get("/consumers/v"), lambda: connection.process_data_events(0.05)
    )
    assert "the tag" in run("list consumers")
    connection.close()


# Federation and shovels, where there are any.


URIS = "--source-uri amqps://127.0.0.1:1 --destination-uri amqps://127.0.0.1:1"
optional(
    "shovels declare_amqp091",
    f"--name s {URIS} --source-queue a --destination-queue b --reconnect-delay 5",
)
optional("shovels list_all", prints=["s"])
optional("shovels list", prints=["s"])
TLS = "--node-local-ca-certificate-bundle-path /a --node-local-client-certificate-file-path /b"
TLS += " --node-local-client-private-key-file-path /c"
for end in ("source", "destination"):
    optional(f"shovels disable_tls_peer_verification_for_all_{end}_uris")
    optional(f"shovels enable_tls_peer_verification_for_all_{end}_uris", TLS)
optional("shovels delete", "--name s")
AMQP10 = "--source-uri amqp://127.0.0.1:1 --destination-uri amqp://127.0.0.1:1"
AMQP10 += " --source-address /queue/a --destination-address /queue/b --reconnect-delay 5"
optional("shovels declare_amqp10", f"--name t {AMQP10}")
optional("delete shovel", "--name t")
UP = "--uri amqps://127.0.0.1:1"
FEDERATION = "federation-upstream"
optional("federation declare_upstream", f"--name a {UP} --queue-name q", component=FEDERATION)
optional(
    "federation declare_upstream_for_queues", f"--name b {UP} --queue-name q", component=FEDERATION
)
optional(
    "federation declare_upstream_for_exchanges",
    f"--name c {UP} --exchange-name x",
    component=FEDERATION,
)
optional("federation list_all_upstreams", prints=["a", "b", "c"], component=FEDERATION)
optional("federation list_all_links", component=FEDERATION)
optional("federation disable_tls_peer_verification_for_all_upstreams", component=FEDERATION)
optional("federation enable_tls_peer_verification_for_all_upstreams", TLS, component=FEDERATION)
optional("federation delete_upstream", "--name a", component=FEDERATION)


@step("a wrong password is told, with a code that is not 0")
def refused():
    text = run("list queues", accepted=FAILS, password="wrong")
    assert "401" in text or "nauthorized" in text or "Login failed" in text, text


@step("the tool has no command but these")
def complete():
    groups = [it for it in listed() if it not in NOT_APPLICABLE]
    assert len(groups) > 30, groups
    found = {f"{group} {it}" for group in groups for it in listed(group) if it != "help"}
    equal(sorted(found - covered - set(NOT_APPLICABLE)), [])
    equal(sorted(covered - found), [])


checks.run()
