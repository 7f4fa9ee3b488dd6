"""How the supervisor learns that a part is up."""

import http.client
from contextlib import closing
from http import HTTPStatus

TIMEOUT_S = 2.0


def answers(port: int, path: str) -> bool:
    """Say whether `GET path` on this machine's `port` is answered with 200."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
        try:
            connection.request("GET", path, headers={"Host": f"localhost:{port}"})
            return connection.getresponse().status == HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
