"""Which port each part listens on: the same at every start, as long as it is free."""

import errno
import socket
from collections.abc import Callable, Mapping

from demo.roster import AGENTS

PARTS = ("site", "idp", "acme", *AGENTS, "ask")
DEFAULT = 8000
LAST = 65535


class NoFreePort(Exception):
    """Every port from the wanted one on is taken."""


def assign(
    remembered: Mapping[str, int | None], *, wanted: int, say: Callable[[str], None]
) -> dict[str, int]:
    """Return a free port for each part, and say which had to move.

    `wanted` is the port asked for the site; the others keep what they had, or take what is free
    near the site.
    """
    asked = {**dict.fromkeys(PARTS), **remembered, "site": wanted}
    kept = {part: port for part, port in asked.items() if port and is_free(port)}
    ports: dict[str, int] = {}
    for part in PARTS:
        port = kept.get(part)
        if port is None or port in ports.values():
            taken = {*ports.values(), *kept.values()}
            port = _next_free(ports.get("site", wanted), taken=taken)
            if asked[part]:
                say(f"port {asked[part]} of {part} is not free, using {port}")
        ports[part] = port
    return ports


def is_free(port: int) -> bool:
    """Say whether nobody listens on `port` of this machine, in IPv4 or IPv6.

    Both, because a browser that is told `localhost` asks ::1 first.
    """
    addresses = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
    return all(_can_bind(family, address, port) for family, address in addresses)


def _can_bind(family: socket.AddressFamily, address: str, port: int) -> bool:
    try:
        with socket.socket(family) as listener:
            # Connections of an earlier run that are fading out do not count; listeners do.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
    except OSError as exc:
        # A machine without IPv6 has nobody listening there.
        return exc.errno not in {errno.EADDRINUSE, errno.EACCES}
    return True


def _next_free(after: int, *, taken: set[int]) -> int:
    for port in range(after + 1, LAST + 1):
        if port not in taken and is_free(port):
            return port
    raise NoFreePort(f"no port above {after} is free")
