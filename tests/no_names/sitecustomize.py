"""Put first on a server's PYTHONPATH: no name but this machine's own is found, whatever network there is."""

import socket
from typing import Any

_look_up = socket.getaddrinfo


def getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
    if host not in (None, "", "localhost", "127.0.0.1", "::1", "0.0.0.0"):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    return _look_up(host, *args, **kwargs)


socket.getaddrinfo = getaddrinfo
