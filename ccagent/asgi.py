"""HTTP and WebSocket entry; `manage.py serve` runs it."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ccagent.settings")
django.setup(set_prefix=False)

# After the applications are loaded.
from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402

from ccagent.api.handler import Handler  # noqa: E402
from chat.consumers import or_close  # noqa: E402
from chat.routing import websocket_urlpatterns  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": Handler(),
        "websocket": AllowedHostsOriginValidator(or_close(AuthMiddlewareStack(URLRouter(websocket_urlpatterns)))),
    }
)
