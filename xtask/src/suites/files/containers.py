"""In the place of Docker: some suites start their broker as a container and ask which of its ports
is where. Every container is the broker that runs already. `containers.py PORT` serves until it is
ended."""

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

# No TLS: tests that want it are left out, but the suites ask where it would be.
PORTS = {"5672/tcp": 5672, "5671/tcp": 5671}
BINDINGS = {name: [{"HostIp": "127.0.0.1", "HostPort": str(port)}] for name, port in PORTS.items()}
CONTAINER = {"Id": "broker", "NetworkSettings": {"Ports": BINDINGS}}


class Containers(BaseHTTPRequestHandler):
    """Images are there at once, containers run at once, and nothing ends them."""

    def answer(self):
        length = int(self.headers.get("Content-Length", 0))
        self.rfile.read(length)
        body = json.dumps(CONTAINER).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = answer

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", int(sys.argv[1])), Containers).serve_forever()
