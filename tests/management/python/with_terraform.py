"""Terraform's provider of RabbitMQ, driven by terraform or tofu: everything that it can make is
made, read back without a difference, changed, found missing, imported and destroyed.

TERRAFORM names the program, and TERRAFORM_PROVIDER the folder with the provider."""

import json
import os
import pathlib
import subprocess

from api_base import HOST, HTTP, Has, api, checks, done, equal, fits, get, has, step
from check import Skip

FOLDER = pathlib.Path("terraform").absolute()
PROVIDER = "cyrilgdn/rabbitmq"
HEAD = f"""
terraform {{
  required_providers {{
    rabbitmq = {{ source = "{PROVIDER}" }}
  }}
}}

provider "rabbitmq" {{
  endpoint = "http://{HOST}:{HTTP}"
  username = "guest"
  password = "guest"
}}
"""
# Without a registry: the provider is taken from where it was built.
CLI = f"""
provider_installation {{
  dev_overrides {{ "{PROVIDER}" = "{os.environ["TERRAFORM_PROVIDER"]}" }}
  direct {{}}
}}
"""


class Place:
    """A folder with a configuration and its state."""

    def __init__(self, name):
        self.folder = FOLDER / name
        self.folder.mkdir(parents=True)

    def write(self, text):
        (self.folder / "main.tf").write_text(HEAD + text)

    def run(self, *words, accepted=(0,)):
        config = FOLDER / "cli.tfrc"
        config.write_text(CLI)
        more = {
            "TF_CLI_CONFIG_FILE": str(config),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
        }
        command = [os.environ["TERRAFORM"], *words]
        result = subprocess.run(
            command, cwd=self.folder, env={**os.environ, **more}, capture_output=True, text=True
        )
        text = result.stdout + result.stderr
        assert result.returncode in accepted, text[-1500:]
        return result.returncode, text

    def apply(self):
        return self.run("apply", "-auto-approve", "-input=false", "-no-color", "-compact-warnings")[
            1
        ]

    def plan(self):
        """Whether something differs from the configuration."""
        words = ("plan", "-detailed-exitcode", "-input=false", "-no-color", "-compact-warnings")
        code, text = self.run(*words, accepted=(0, 2))
        return code == 2, text

    def unchanged(self):
        differs, text = self.plan()
        assert not differs, text[-1500:]

    def state(self):
        text = self.run("show", "-json")[1]
        resources = json.loads(text[text.index("{") :])["values"]["root_module"]["resources"]
        return {it["address"]: it["values"] for it in resources}


EVERYTHING = """
resource "rabbitmq_vhost" "v" {
  name = "terra/form"
}

resource "rabbitmq_user" "u" {
  name     = "terra"
  password = "PASSWORD"
  tags     = ["TAG", "management"]
}

resource "rabbitmq_permissions" "p" {
  user  = rabbitmq_user.u.name
  vhost = rabbitmq_vhost.v.name
  permissions {
    configure = ".*"
    write     = "^WRITE"
    read      = ".*"
  }
}

resource "rabbitmq_topic_permissions" "t" {
  user  = rabbitmq_user.u.name
  vhost = rabbitmq_vhost.v.name
  permissions {
    exchange = "amq.topic"
    write    = "^WRITE"
    read     = ".*"
  }
  permissions {
    exchange = "amq.fanout"
    write    = ".*"
    read     = ".*"
  }
}

resource "rabbitmq_exchange" "x" {
  name  = "x/y"
  vhost = rabbitmq_permissions.guest.vhost
  settings {
    type        = "TYPE"
    durable     = true
    auto_delete = false
    arguments   = { alternate-exchange = "amq.fanout" }
  }
}

resource "rabbitmq_queue" "q" {
  name  = "q"
  vhost = rabbitmq_permissions.guest.vhost
  settings {
    durable     = true
    auto_delete = false
    arguments_json = jsonencode({
      x-message-ttl = TTL
      x-overflow    = "reject-publish"
      x-own         = true
    })
  }
}

resource "rabbitmq_queue" "plain" {
  name  = "plain"
  vhost = rabbitmq_permissions.guest.vhost
  settings {
    durable   = false
    arguments = { x-dead-letter-exchange = "amq.fanout" }
  }
}

resource "rabbitmq_binding" "queue" {
  source           = "amq.topic"
  vhost            = rabbitmq_vhost.v.name
  destination      = rabbitmq_queue.q.name
  destination_type = "queue"
  routing_key      = "KEY.#"
  lifecycle { replace_triggered_by = [rabbitmq_queue.q] }
}

resource "rabbitmq_binding" "arguments" {
  source           = "amq.headers"
  vhost            = rabbitmq_vhost.v.name
  destination      = rabbitmq_queue.q.name
  destination_type = "queue"
  arguments_json   = jsonencode({ x-match = "any", n = 5, deep = { list = [1, "a"] } })
  lifecycle { replace_triggered_by = [rabbitmq_queue.q] }
}

resource "rabbitmq_binding" "exchange" {
  source           = "amq.topic"
  vhost            = rabbitmq_permissions.guest.vhost
  destination      = "amq.match"
  destination_type = "exchange"
  routing_key      = "a b/c+d"
}

resource "rabbitmq_policy" "p" {
  name  = "p"
  vhost = rabbitmq_permissions.guest.vhost
  policy {
    pattern    = "^q"
    priority   = PRIORITY
    apply_to   = "queues"
    definition = { max-length = 5, dead-letter-exchange = "amq.fanout" }
  }
}

resource "rabbitmq_operator_policy" "o" {
  name  = "o"
  vhost = rabbitmq_permissions.guest.vhost
  policy {
    pattern    = "^q"
    priority   = PRIORITY
    apply_to   = "queues"
    definition = { max-length = 3, expires = 3600000 }
  }
}

resource "rabbitmq_permissions" "guest" {
  user  = "guest"
  vhost = rabbitmq_vhost.v.name
  permissions {
    configure = ".*"
    write     = ".*"
    read      = ".*"
  }
}
"""
# The type stays: the provider can make exchanges, but not change them.
FIRST = {"PASSWORD": "one", "TAG": "policymaker", "WRITE": "a", "TYPE": "topic", "TTL": "1000"}
FIRST |= {"KEY": "a", "PRIORITY": "1"}
SECOND = {"PASSWORD": "two", "TAG": "monitoring", "WRITE": "b", "TYPE": "topic", "TTL": "2000"}
SECOND |= {"KEY": "b", "PRIORITY": "2"}
V = "terra%2Fform"


def filled(text, values):
    for name, value in values.items():
        text = text.replace(name, value)
    return text


place = Place("all")


@step("a configuration with everything is applied")
def applied():
    place.write(filled(EVERYTHING, FIRST))
    place.apply()


def told(values, login):
    """What the API has to tell of each resource."""
    user = has(tags=lambda it: set(it) == {values["TAG"], "management"})
    both = {"amq.topic": "^" + values["WRITE"], "amq.fanout": ".*"}
    return [
        ("rabbitmq_vhost", f"/vhosts/{V}", has(name="terra/form")),
        ("rabbitmq_user", "/users/terra", user),
        ("rabbitmq_permissions", f"/permissions/{V}/terra", has(write="^" + values["WRITE"])),
        (
            "rabbitmq_topic_permissions",
            f"/topic-permissions/{V}/terra",
            lambda found: {it["exchange"]: it["write"] for it in found} == both,
        ),
        (
            "rabbitmq_exchange",
            f"/exchanges/{V}/x%2Fy",
            has(type=values["TYPE"], durable=True, arguments={"alternate-exchange": "amq.fanout"}),
        ),
        (
            "rabbitmq_queue",
            f"/queues/{V}/q",
            has(
                durable=True,
                arguments={
                    "x-message-ttl": int(values["TTL"]),
                    "x-overflow": "reject-publish",
                    "x-own": True,
                },
            ),
        ),
        (
            "rabbitmq_binding to a queue",
            f"/bindings/{V}/e/amq.topic/q/q",
            Has([has(routing_key=values["KEY"] + ".#")]),
        ),
        (
            "rabbitmq_binding with arguments",
            f"/bindings/{V}/e/amq.headers/q/q",
            Has([has(arguments={"x-match": "any", "n": 5, "deep": {"list": [1, "a"]}})]),
        ),
        (
            "rabbitmq_binding to an exchange",
            f"/bindings/{V}/e/amq.topic/e/amq.match",
            Has([has(routing_key="a b/c+d")]),
        ),
        (
            "rabbitmq_policy",
            f"/policies/{V}/p",
            has(priority=int(values["PRIORITY"]), definition=has(**{"max-length": 5})),
        ),
        (
            "rabbitmq_operator_policy",
            f"/operator-policies/{V}/o",
            has(definition={"max-length": 3, "expires": 3600000}),
        ),
    ]


def looked_at(when, values):
    for name, path, expected in told(values, values["PASSWORD"]):

        @step(f"{name} is there {when}")
        def there(path=path, expected=expected):
            found = get(path)
            assert fits(found, expected), found

    @step(f"the user logs in {when}")
    def logs_in():
        equal(api("GET /whoami", user=("terra", values["PASSWORD"])).status, 200)

    @step(f"nothing differs {when}")
    def unchanged():
        place.unchanged()


looked_at("after it was made", FIRST)


@step("a changed configuration is applied")
def changed():
    place.write(filled(EVERYTHING, SECOND))
    differs, text = place.plan()
    assert differs, text
    place.apply()


looked_at("after it was changed", SECOND)


@step("what was deleted otherwise is found missing, and made again")
def restored():
    lost = [
        f"/bindings/{V}/e/amq.topic/q/q/b.%2523",
        f"/queues/{V}/plain",
        f"/exchanges/{V}/x%2Fy",
        f"/policies/{V}/p",
        f"/operator-policies/{V}/o",
        f"/permissions/{V}/terra",
    ]
    for path in lost:
        done(f"DELETE {path}")
    differs, text = place.plan()
    assert differs and "6 to add, 0 to change, 0 to destroy" in text, text
    place.apply()
    place.unchanged()
    for path in lost:
        get(path)


@step("data sources read what is there")
def data():
    other = Place("data")
    other.write(
        """
data "rabbitmq_vhost" "v" { name = "terra/form" }
data "rabbitmq_user" "u" { name = "terra" }
data "rabbitmq_exchange" "x" {
  name  = "x/y"
  vhost = "terra/form"
}
"""
    )
    other.apply()
    state = other.state()
    equal(state["data.rabbitmq_vhost.v"]["name"], "terra/form")
    equal(set(state["data.rabbitmq_user.u"]["tags"]), {"monitoring", "management"})
    equal(state["data.rabbitmq_exchange.x"]["settings"][0]["type"], "topic")


@step("what is there is imported, and then nothing differs")
def imported():
    ids = {
        "rabbitmq_vhost.v": "terra/form",
        "rabbitmq_permissions.p": "terra@terra/form",
        "rabbitmq_queue.plain": "plain@terra/form",
        "rabbitmq_policy.p": "p@terra/form",
        "rabbitmq_operator_policy.o": "o@terra/form",
        "rabbitmq_exchange.x": "x/y@terra/form",
    }
    for address, identity in ids.items():
        place.run("state", "rm", address)
        place.run("import", "-input=false", "-no-color", address, identity)
    place.unchanged()


OPTIONAL = """
resource "rabbitmq_vhost" "v" {
  name = "terra-more"
}

resource "rabbitmq_permissions" "guest" {
  user  = "guest"
  vhost = rabbitmq_vhost.v.name
  permissions {
    configure = ".*"
    write     = ".*"
    read      = ".*"
  }
}
"""
FEDERATION = """
resource "rabbitmq_federation_upstream" "f" {
  name  = "up"
  vhost = rabbitmq_permissions.guest.vhost
  definition {
    uri             = "amqp://127.0.0.1:1"
    prefetch_count  = 50
    reconnect_delay = 5
    ack_mode        = "on-confirm"
    expires         = 1800000
    message_ttl     = 60000
  }
}
"""
SHOVEL = """
resource "rabbitmq_shovel" "s" {
  name  = "s"
  vhost = rabbitmq_permissions.guest.vhost
  info {
    source_uri        = "amqp://127.0.0.1:1"
    source_queue      = "a"
    destination_uri   = "amqp://127.0.0.1:1"
    destination_queue = "b"
    ack_mode          = "on-confirm"
  }
}
"""
for name, component, text in (
    ("rabbitmq_federation_upstream", "federation-upstream", FEDERATION),
    ("rabbitmq_shovel", "shovel", SHOVEL),
):

    @step(f"{name} is made, found unchanged and destroyed")
    def optional(component=component, text=text):
        unknown = api(f"PUT /parameters/{component}/%2F/probe", {"value": {}}).json
        if "not found" in unknown["reason"] and component in unknown["reason"].split("Key")[0]:
            raise Skip(f"the server has no component {component}")
        more = Place(component)
        more.write(OPTIONAL + text)
        more.apply()
        equal(len(get(f"/parameters/{component}/terra-more")), 1)
        more.unchanged()
        more.run("destroy", "-auto-approve", "-input=false", "-no-color")
        equal(api("GET /vhosts/terra-more").status, 404)


@step("everything is destroyed")
def destroyed():
    place.run("destroy", "-auto-approve", "-input=false", "-no-color")
    for path in (f"/vhosts/{V}", "/users/terra"):
        equal(api(f"GET {path}").status, 404)
    assert "terra/form" not in [it["vhost"] for it in get("/operator-policies")]


checks.run()
