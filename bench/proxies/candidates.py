"""The proxies that are measured, each on the one core that all of them get in turn."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import pinned
from bench.children import child, free_port
from bench.proxies import debian
from bench.proxies.tokens import AUDIENCE
from embedded.process import Child

NGINX = "nginx, passing through"
HAPROXY = "HAProxy with jwt_verify"
BARE = "bare ASGI proxy"
GATEWAY = "this gateway"
UNRECORDED = "this gateway, recording nothing"

# Each has a file on both sides, besides what a proxy has open for itself.
_FILES = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 40_000)
_CONNECTIONS = (_FILES - 200) // 2
# As `manage.py serve` serves the site, and as many requests at once as there may be.
_GRANIAN = (
    *("--interface", "asgi", "--loop", "uvloop", "--http", "auto", "--no-ws", "--workers", "1"),
    *("--backlog", "16384", "--backpressure", "16384"),
    *("--log-level", "warning", "--no-access-log"),
)

_NGINX = """
daemon off;
pid {home}/nginx.pid;
worker_processes 1;
worker_rlimit_nofile {files};
error_log {home}/log/nginx-errors.log warn;
events {{ worker_connections {most}; }}
http {{
    access_log off;
    client_body_temp_path {home}/nginx-body;
    proxy_temp_path {home}/nginx-proxy;
    fastcgi_temp_path {home}/nginx-fastcgi;
    uwsgi_temp_path {home}/nginx-uwsgi;
    scgi_temp_path {home}/nginx-scgi;
    upstream agent {{ server 127.0.0.1:{upstream}; keepalive 512; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=8192;
        keepalive_requests 100000000;
        location / {{
            proxy_pass http://agent;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 900s;
        }}
    }}
}}
"""

# Signature, algorithm, expiry, issuer and audience: what it can check without a program in Lua.
_HAPROXY = """
global
    nbthread 1
    maxconn {most}
defaults
    mode http
    timeout connect 5s
    timeout client 900s
    timeout server 900s
    option http-no-delay
    option abortonclose
frontend callers
    bind 127.0.0.1:{port} backlog 8192
    http-request set-var(txn.alg) http_auth_bearer,jwt_header_query('$.alg')
    http-request set-var(txn.iss) http_auth_bearer,jwt_payload_query('$.iss')
    http-request set-var(txn.aud) http_auth_bearer,jwt_payload_query('$.aud')
    http-request set-var(txn.exp) http_auth_bearer,jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 }}
    http-request deny deny_status 401 unless {{ var(txn.iss) -m str {issuer} }}
    http-request deny deny_status 401 unless {{ var(txn.aud) -m str {audience} }}
    http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int lt 0 }}
    http-request deny deny_status 401 unless {{ http_auth_bearer,jwt_verify(txn.alg,"{key}") 1 }}
    default_backend agent
backend agent
    http-reuse always
    server agent 127.0.0.1:{upstream}
"""


@dataclass(frozen=True)
class World:
    """What all candidates stand in."""

    home: Path
    port: int  # of the upstream
    upstream: Child
    issuer: str
    key: Path  # the issuer's, in PEM
    env: Mapping[str, str]


@dataclass(frozen=True)
class Candidate:
    """One proxy, not started."""

    what: str
    port: int
    process: Child


def nginx(world: World) -> Candidate:
    """Return nginx, which passes everything through. Raises debian.Absent."""
    found, port = debian.program("nginx"), free_port()
    config = world.home / "nginx.conf"
    config.write_text(
        _NGINX.format(
            home=world.home, upstream=world.port, port=port,
            most=2 * _CONNECTIONS, files=_FILES,
        ),
        encoding="utf-8",
    )  # fmt: skip
    argv = [found.path, "-p", str(world.home), "-e", "stderr", "-c", str(config)]
    return _pinned(NGINX, "nginx", argv, port, {**world.env, **found.env})


def haproxy(world: World) -> Candidate:
    """Return HAProxy, which verifies the token as far as it can. Raises debian.Absent."""
    found, port = debian.program("haproxy"), free_port()
    config = world.home / "haproxy.cfg"
    config.write_text(
        _HAPROXY.format(
            upstream=world.port, port=port, issuer=world.issuer, audience=AUDIENCE,
            key=world.key, most=_CONNECTIONS,
        ),
        encoding="utf-8",
    )  # fmt: skip
    argv = [found.path, "-f", str(config)]
    return _pinned(HAPROXY, "haproxy", argv, port, {**world.env, **found.env})


def bare(world: World) -> Candidate:
    """Return the proxy in Python that does nothing else."""
    port = free_port()
    upstream = {"BENCH_UPSTREAM": f"http://127.0.0.1:{world.port}"}
    argv = [*_python("granian", "bench.proxies.bare:application", *_GRANIAN), "--port", str(port)]
    return _pinned(BARE, "bare-proxy", argv, port, {**world.env, **upstream})


def gateway(world: World) -> Candidate:
    """Return the site as it is served in production, in one process."""
    port = free_port()
    argv = [*_python(), "manage.py", "serve", "--port", str(port), "--workers", "1"]
    return _pinned(GATEWAY, "gateway", argv, port, world.env)


def unrecorded(world: World) -> Candidate:
    """Return the site in one process that puts nothing on record."""
    port = free_port()
    argv = _python("granian", "bench.proxies.unrecorded:application", *_GRANIAN)
    return _pinned(UNRECORDED, "unrecorded", [*argv, "--port", str(port)], port, world.env)


ALL: dict[str, Callable[[World], Candidate]] = {
    **{"nginx": nginx, "haproxy": haproxy, "bare": bare},
    **{"unrecorded": unrecorded, "gateway": gateway},
}


def _python(*module: str) -> list[str]:
    return [sys.executable, *(["-m", *module] if module else [])]


def _pinned(what: str, name: str, argv: list[str], port: int, env: Mapping[str, str]) -> Candidate:
    _, core = pinned.cores()
    return Candidate(what, port, child(name, pinned.command(core, *argv), env, port=port))
