"""The HTTP API by itself: statuses and bodies, case by case, as RabbitMQ 3.10.8 gives them."""

from api_base import checks

import api_bindings  # noqa: F401
import api_definitions  # noqa: F401
import api_messages  # noqa: F401
import api_objects  # noqa: F401
import api_policies  # noqa: F401
import api_requests  # noqa: F401
import api_rights  # noqa: F401
import api_users  # noqa: F401

checks.run()
