import json
from base64 import b64decode
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from demo.run import state


def test_what_was_made_at_the_first_start_is_there_at_the_second(tmp_path: Path) -> None:
    first = state.load(tmp_path / "state.json")
    state.save(tmp_path / "state.json", first)

    assert state.load(tmp_path / "state.json") == first


def test_no_two_demos_share_a_secret(tmp_path: Path) -> None:
    one, two = state.load(tmp_path / "one.json"), state.load(tmp_path / "two.json")

    shared = {name for name in one if one[name] == two[name]}
    assert shared == {"ports"}


def test_it_is_readable_by_its_owner_only_whatever_was_there_before(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("{}")
    path.chmod(0o644)

    state.save(path, state.load(path))

    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["state.json"]


def test_a_file_of_an_older_version_gets_what_it_lacks_and_keeps_what_it_has(
    tmp_path: Path,
) -> None:
    path = tmp_path / "state.json"
    older = state.load(path)
    del older["operator_key"], older["passwords"]["charlie"]
    path.write_text(json.dumps(older))

    newer = state.load(path)

    assert newer["operator_key"]["secret_access_key"]
    assert newer["passwords"].pop("charlie")
    assert newer["passwords"] == older["passwords"]
    assert newer["secret_key"] == older["secret_key"]


def test_keys_are_what_they_are_used_as(tmp_path: Path) -> None:
    made = state.load(tmp_path / "state.json")

    key_id, _, key = made["vault_keys"].partition(":")
    assert key_id
    assert len(b64decode(key, validate=True)) == 32
    load_pem_private_key(made["idp_signing_key"].encode(), password=None)
