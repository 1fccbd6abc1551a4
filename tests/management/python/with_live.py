"""What the HTTP API tells of a broker at work and does to it, with pika as the one who works."""

import live_seen  # noqa: F401, I001
import live_done  # noqa: F401
from api_base import checks

checks.run()
