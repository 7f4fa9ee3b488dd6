from pathlib import Path

from embedded.instance import held, held_temporarily, runtime_folder


def test_temporary_instances_run_side_by_side_and_leave_nothing(tmp_path: Path) -> None:
    with held_temporarily(tmp_path) as one, held_temporarily(tmp_path) as two:
        assert one.home != two.home
        assert one.runtime.is_dir()
        assert two.runtime.is_dir()
        runtimes = [one.runtime, two.runtime]

    assert [path.name for path in tmp_path.iterdir()] == ["lock"]
    assert not any(runtime.exists() for runtime in runtimes)


def test_what_a_killed_run_left_behind_goes_at_the_next(tmp_path: Path) -> None:
    left = tmp_path / "run-killed"
    left.mkdir()
    (left / "lock").touch()
    runtime_folder(left).mkdir(mode=0o700)

    with held_temporarily(tmp_path):
        assert not left.exists()
        assert not runtime_folder(left).exists()


def test_a_closed_home_is_closed_to_everybody_else(tmp_path: Path) -> None:
    home = tmp_path / "var"
    home.mkdir(mode=0o755)

    with held(home):
        assert home.stat().st_mode & 0o777 == 0o700
