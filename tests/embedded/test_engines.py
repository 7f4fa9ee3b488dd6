import os
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
from redis import Redis

from embedded import privileges
from embedded.engines import running
from embedded.instance import InstanceBusy, RuntimeFolderUnsafe, held, runtime_folder
from embedded.process import StartFailed
from tests.embedded.conftest import SupervisorStart


def test_a_killed_supervisor_leaves_no_process_and_loses_nothing_it_acknowledged(
    tmp_path: Path, supervisor_start: SupervisorStart
) -> None:
    killed = supervisor_start(tmp_path / "var")
    with psycopg.connect(killed.postgres) as connection:
        connection.execute("CREATE TABLE grant_ AS SELECT 'kept' AS word")
    with Redis.from_url(killed.redis) as redis:
        redis.set("word", "kept")

    killed.kill()

    started = supervisor_start(tmp_path / "var")
    with psycopg.connect(started.postgres) as connection:
        assert connection.execute("SELECT word FROM grant_").fetchall() == [("kept",)]
    with Redis.from_url(started.redis) as redis:
        assert redis.get("word") == b"kept"
    started.stop()


def test_a_second_start_is_told_who_runs_there_and_touches_nothing(
    tmp_path: Path, supervisor_start: SupervisorStart
) -> None:
    first = supervisor_start(tmp_path / "var")

    with (
        pytest.raises(InstanceBusy, match=rf"process {first.process.pid} runs here"),
        held(tmp_path / "var"),
    ):
        pytest.fail("it was let in")

    with psycopg.connect(first.postgres) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    first.stop()


def test_two_instances_run_at_once_and_do_not_meet(
    tmp_path: Path, supervisor_start: SupervisorStart
) -> None:
    one, two = supervisor_start(tmp_path / "one"), supervisor_start(tmp_path / "two")

    with Redis.from_url(one.redis) as redis:
        redis.set("whose", "one")
    with Redis.from_url(two.redis) as redis:
        assert redis.get("whose") is None
    assert one.postgres != two.postgres
    one.stop()
    two.stop()


def test_an_ordinary_user_runs_them_too(tmp_path: Path, supervisor_start: SupervisorStart) -> None:
    home = tmp_path / "var"
    home.mkdir()
    ordinary = privileges.unprivileged(must_execute=Path("/bin/sh"), must_own=home)

    started = supervisor_start(home, prefix=tuple(ordinary.prefix))

    with psycopg.connect(started.postgres) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("daiko",)
    started.stop()


def test_no_folder_above_the_instance_is_opened_for_the_server(
    tmp_path: Path, supervisor_start: SupervisorStart
) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    before = [(folder.stat().st_mode, folder.stat().st_uid) for folder in [closed, *closed.parents]]

    supervisor_start(closed / "var").stop()

    after = [(folder.stat().st_mode, folder.stat().st_uid) for folder in [closed, *closed.parents]]
    assert after == before


def test_root_is_told_what_to_do_where_it_may_not_become_anybody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", str(tmp_path))  # neither setpriv nor unshare

    with pytest.raises(privileges.CannotRunAsRoot, match="ordinary user, or set DATABASE_URL"):
        privileges.unprivileged(must_execute=Path("/bin/sh"), must_own=tmp_path)


def test_a_pid_file_of_an_earlier_run_does_not_stop_the_next_one(tmp_path: Path) -> None:
    with held(tmp_path) as instance:
        with running(instance, durable=True):
            pass
        # In a container, the number of a dead server soon belongs to another process.
        (tmp_path / "postgres" / "postmaster.pid").write_text(f"{os.getppid()}\n/elsewhere\n")

        with running(instance, durable=True) as engines:
            engines.postgres.database_ensure("daiko")


def test_a_failed_start_names_the_part_the_reason_and_the_log(tmp_path: Path) -> None:
    with held(tmp_path) as instance:
        with running(instance, durable=False):
            pass
        with (tmp_path / "postgres" / "postgresql.conf").open("a") as conf:
            conf.write("no_such_setting = on\n")

        with pytest.raises(StartFailed) as caught, running(instance, durable=False):
            pytest.fail("it started")

    said = str(caught.value)
    assert said.startswith("postgres did not start: it exited with status 1")
    assert 'unrecognized configuration parameter "no_such_setting"' in said
    assert f"log: {tmp_path / 'log' / 'postgres.log'}" in said


def test_a_cluster_of_another_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").write_text("17\n")

    with (
        held(tmp_path) as instance,
        pytest.raises(StartFailed, match="made by PostgreSQL 17, and this is 18"),
        running(instance, durable=False),
    ):
        pytest.fail("it started")

    assert [path.name for path in (tmp_path / "postgres").iterdir()] == ["PG_VERSION"]


def test_a_folder_for_sockets_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    runtime = runtime_folder(tmp_path)
    with ExitStack() as stack:
        runtime.mkdir(mode=0o700)
        stack.callback(runtime.rmdir)
        runtime.chmod(0o755)

        with pytest.raises(RuntimeFolderUnsafe), held(tmp_path):
            pytest.fail("it was used")


def test_a_folder_for_sockets_that_cannot_be_made_says_what_to_do(tmp_path: Path) -> None:
    runtime = runtime_folder(tmp_path)
    with ExitStack() as stack:
        runtime.write_text("in the way")
        stack.callback(runtime.unlink)

        with (
            pytest.raises(RuntimeFolderUnsafe, match=r"cannot be made \(File exists\): let this"),
            held(tmp_path),
        ):
            pytest.fail("it was used")


def test_the_servers_listen_on_no_network_and_only_their_owner_reaches_the_sockets(
    tmp_path: Path,
) -> None:
    with held(tmp_path) as instance, running(instance, durable=False) as engines:
        engines.postgres.database_ensure("daiko")
        assert instance.runtime.stat().st_mode & 0o777 == 0o700
        with psycopg.connect(engines.postgres.url("daiko")) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        with Redis.from_url(engines.redis.url) as redis:
            assert redis.config_get("port") == {"port": "0"}


def test_a_role_reaches_its_own_database_only_and_is_no_superuser(tmp_path: Path) -> None:
    with held(tmp_path) as instance, running(instance, durable=False) as engines:
        engines.postgres.database_ensure("daiko")
        engines.postgres.database_ensure("idp")

        with psycopg.connect(engines.postgres.url("idp")) as connection:
            assert connection.execute("SHOW is_superuser").fetchone() == ("off",)
        theirs = engines.postgres.url("daiko").replace("//daiko@", "//idp@")
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            psycopg.connect(theirs)


def test_a_failing_statement_leaves_its_values_out_of_the_log(tmp_path: Path) -> None:
    with held(tmp_path) as instance, running(instance, durable=False) as engines:
        engines.postgres.database_ensure("daiko")
        with psycopg.connect(engines.postgres.url("daiko"), autocommit=True) as connection:
            connection.execute("CREATE TABLE t (secret text UNIQUE)")
            connection.execute("INSERT INTO t VALUES ('hunter2')")
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute("INSERT INTO t VALUES ('hunter2')")

        log = instance.log("postgres").read_text()
    assert "duplicate key" in log
    assert "hunter2" not in log
