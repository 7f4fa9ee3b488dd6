"""The command line of the bench."""

from __future__ import annotations

import argparse

# Each is a module that is run with the site's environment, and says its rows.
ROOMS = ("token_read", "refresh", "gateway")
# Measured where they are named: one installs what others publish, one needs a browser.
PEERS, SCREEN = "peers", "screen"
CANDIDATES = ("nginx", "haproxy", "bare", "unrecorded", "gateway")
# A signature is good for five minutes, and the requests are signed before.
_MAX_SECONDS = 200.0
_ABOUT = "Measures engines, the site, and one part after the other."


def arguments() -> argparse.Namespace:
    """Return what the command line asks for; ends the process where it asks for what cannot be."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=_ABOUT)
    parser.add_argument(
        "--only",
        choices=(*ROOMS, PEERS, SCREEN),
        action="append",
        help="these, and no others",
    )
    parser.add_argument("--seconds", type=float, default=10, help="how long each row is measured")
    parser.add_argument(
        "--refresh-seconds", type=float, help="how long refreshes are; without it as the others"
    )
    parser.add_argument("--connections", type=int, default=10, help="requests under way at once")
    parser.add_argument("--workers", type=int, default=2, help="processes of the site")
    parser.add_argument(
        "--grants", type=int, nargs="+", default=[10_000, 1_000_000], help="grants in the table"
    )
    parser.add_argument("--rounds", type=int, default=3, help="gateway: times each is measured")
    parser.add_argument("--rate-seconds", type=float, default=3, help="gateway: each of them")
    parser.add_argument(
        "--rate-connections", type=int, default=32, help="gateway: requests under way at once"
    )
    parser.add_argument("--streams", type=int, default=200, help="gateway: streams at once")
    parser.add_argument(
        "--stream-seconds", type=float, default=6, help="gateway: how long first tokens are timed"
    )
    parser.add_argument("--open", type=int, default=5_000, help="gateway: streams held open")
    parser.add_argument(
        "--requests", type=int, default=100_000, help="gateway: after which memory is looked at"
    )
    parser.add_argument(
        "--requests-seconds", type=float, default=80, help="gateway: the longest that may take"
    )
    parser.add_argument(
        "--candidates", choices=CANDIDATES, nargs="+", default=CANDIDATES, help="gateway: which"
    )
    parser.add_argument("--tokens", type=int, default=20_000, help="gateway: different tokens")
    parser.add_argument("--people", type=int, default=100, help="gateway: whose tokens they are")
    parser.add_argument("--answers", type=int, default=50, help="screen: how many are timed")
    parser.add_argument("--into", help="a folder: a page and a plot of all this go there")
    asked = parser.parse_args()
    if asked.seconds > _MAX_SECONDS:
        parser.error(f"--seconds: {_MAX_SECONDS:.0f} at most, for signatures expire")
    if asked.refresh_seconds is None:
        asked.refresh_seconds = asked.seconds
    return asked
