"""Whether what the API answers is what its OpenAPI document says, with requests that schemathesis
makes up from that document. See schemathesis_hooks.py for what it leaves out."""

import os
import pathlib
import subprocess
import sys

from api_base import HTTP, api, checks
from check import HOST

# A user of its own, as requests change and delete users; and none of those deletes the requester.
USER = "schemathesis"
EXCLUDED = ["/api/login", "/api/users/{user}", "/api/users/bulk-delete"]
# A port that nobody listens at is a failed check, which 503 tells.
EXCLUDED_BY_PATTERN = "/health/checks/(port|protocol)-listener"
CHECKS = [
    "not_a_server_error",
    "content_type_conformance",
    "response_schema_conformance",
    "status_code_conformance",
    "unsupported_method",
]


def arguments():
    yield from ("run", f"http://{HOST}:{HTTP}/api/openapi.json", "--auth", f"{USER}:{USER}")
    yield from ("--checks", ",".join(CHECKS), "--phases", "examples,coverage,fuzzing")
    yield from ("--max-examples", "5", "--seed", "1", "--warnings", "off", "--no-color")
    yield from ("--continue-on-failure", "--exclude-path-regex", EXCLUDED_BY_PATTERN)
    for path in EXCLUDED:
        yield from ("--exclude-path", path)


@checks("the API answers as its OpenAPI document says", only="warren")
def conforms():
    api(f"PUT /users/{USER}", {"password": USER, "tags": "administrator"})
    rights = {"configure": ".*", "write": ".*", "read": ".*"}
    api(f"PUT /permissions/%2F/{USER}", rights)
    here = pathlib.Path(__file__).parent
    environment = {
        **os.environ,
        "SCHEMATHESIS_HOOKS": "schemathesis_hooks",
        "PYTHONPATH": f"{here}{os.pathsep}{os.environ.get('PYTHONPATH', '')}",
    }
    program = pathlib.Path(sys.executable).parent / "schemathesis"
    command = [program, *arguments()]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n")
    assert not done.returncode, f"schemathesis ended with {done.returncode}"
    tested = [it.split()[-1] for it in done.stdout.splitlines() if "Tested:" in it]
    assert tested and int(tested[0]) > 140, done.stdout


checks.run()
