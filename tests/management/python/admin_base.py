"""How commands of rabbitmqadmin are run and judged.

RABBITMQADMIN names the tool."""

import os
import pathlib
import re
import shlex
import subprocess

from api_base import HOST, HTTP, api, equal, fits, get, step
from check import BROKER, Skip

TOOL = os.environ["RABBITMQADMIN"]
CONFIG = str(pathlib.Path("rabbitmqadmin.conf").absolute())
covered = set()

# What talks to no server of this kind.
NOT_APPLICABLE = {
    "tanzu": "belongs to a product of Broadcom's",
    "config_file": "changes a local file",
    "help": "prints help",
}
# What RabbitMQ 3.10.8 does not have yet.
LATER = {
    "list deprecated_features",
    "list deprecated_features_in_use",
    "deprecated_features list",
    "deprecated_features list_used",
    "health_check deprecated_features_in_use",
    "vhosts enable_deletion_protection",
    "vhosts disable_deletion_protection",
}


def run(words, accepted=(0,), vhost="v", given=None):
    command = [TOOL, "--config", CONFIG, "--host", HOST, "--port", str(HTTP)]
    command += ["--username", "guest", "--password", "guest", "--vhost", vhost]
    result = subprocess.run(
        command + shlex.split(words), input=given, capture_output=True, text=True, timeout=60
    )
    assert result.returncode in accepted, f"{words}: {result.returncode}: {result.stderr[-600:]}"
    return result.stdout + result.stderr


def command(path, words="", prints=(), then=None, accepted=(0,), vhost="v"):
    """A command, what it prints, and what the API has to tell of a path afterwards."""
    covered.add(path)

    @step(f"{path} {words}"[:90].strip())
    def check():
        if path in LATER and BROKER == "rabbitmq":
            raise Skip("RabbitMQ 3.10.8 does not have it yet")
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
