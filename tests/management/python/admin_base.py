"""How commands of rabbitmqadmin are run and judged.

RABBITMQADMIN names the tool."""

import os
import re
import shlex
import subprocess

from api_base import HOST, HTTP, api, equal, fits, get, step
from check import BROKER, Skip

TOOL = os.environ["RABBITMQADMIN"]
# Codes of the tool when a server refuses or cannot be read; 2 would be a mistake in our command.
FAILS = (1, 65, 69, 70, 77)
# The tool lists this command and does not know it.
UNKNOWN = 64
covered = set()

# What talks to no server of this kind.
NOT_APPLICABLE = {
    "tanzu": "belongs to a product of Broadcom's",
    "config_file": "changes a local file",
    "help": "prints help",
    "import definitions": "ends with a panic of its own in 2.35.0, whatever the server",
}
# What RabbitMQ 3.10.8 does not have yet, or tells without a member that the tool wants.
LATER = {
    "list deprecated_features",
    "list deprecated_features_in_use",
    "deprecated_features list",
    "deprecated_features list_used",
    "health_check deprecated_features_in_use",
    "vhosts enable_deletion_protection",
    "vhosts disable_deletion_protection",
    "list nodes",
    "nodes list",
    "nodes memory_breakdown_in_bytes",
    "nodes memory_breakdown_in_percent",
    "show memory_breakdown_in_bytes",
    "show memory_breakdown_in_percent",
    "plugins list_all",
    "plugins list_on_node",
}


def run(words, accepted=(0,), vhost="v", given=None, password="guest"):
    command = [TOOL, "--host", HOST, "--port", str(HTTP), "--vhost", vhost]
    command += ["--username", "guest", "--password", password, *shlex.split(words)]
    # Its configuration file is in the home folder.
    here = {**os.environ, "HOME": os.getcwd()}
    result = subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=60, env=here
    )
    assert result.returncode in accepted, f"{words}: {result.returncode}: {result.stderr[-600:]}"
    return result.stdout + result.stderr


def command(path, words="", prints=(), then=None, accepted=(0,), vhost="v"):
    """A command, what it prints, and what the API has to tell of a path afterwards."""
    covered.add(path)

    @step(f"{path} {words}"[:90].strip())
    def check():
        if path in LATER and BROKER == "rabbitmq":
            raise Skip("the tool wants a later RabbitMQ")
        text = run(f"{path} {words}", accepted, vhost)
        for part in [prints] if isinstance(prints, str) else prints:
            assert part in text, f"{part!r} is not in {text[-800:]!r}"
        if then:
            path_of, expected = then
            if isinstance(expected, int):
                equal(api(f"GET {path_of}").status, expected)
            else:
                found = get(path_of)
                assert fits(found, expected), found


def optional(path, words="", prints=(), component="shovel"):
    covered.add(path)

    @step(f"{path} {words}"[:90].strip())
    def check():
        reason = str(api(f"PUT /parameters/{component}/v/probe", {"value": {}}).json["reason"])
        if f"component {component} not found" in reason:
            raise Skip(f"the server has no component {component}")
        text = run(f"{path} {words}")
        for part in prints:
            assert part in text, text


def listed(*words):
    """The commands that the tool lists in its help."""
    text = subprocess.run([TOOL, *words, "--help"], capture_output=True, text=True).stdout
    lines = iter(text.splitlines())
    found = []
    for line in lines:
        if line.rstrip(":").lower().endswith("commands"):
            for line in lines:
                if not line.strip():
                    break
                if match := re.match(r" {2,8}([a-z][a-z0-9_]*)(\s|$)", line):
                    found.append(match[1])
    return found
