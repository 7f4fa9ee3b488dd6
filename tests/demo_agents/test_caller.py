import pytest

from demo.agents.caller import Caller, caller_from

PREFIX = "x-amzn-bedrock-agentcore-runtime-custom-user-"


def test_it_reads_the_headers_whatever_their_case() -> None:
    headers = {
        f"{PREFIX.upper()}ID": "7f3%2Fa",
        f"{PREFIX}name": "Bob%20M%C3%BCller",
        f"{PREFIX}groups": "staff,r%26d%2Clabs",
    }

    assert caller_from(headers) == Caller("7f3/a", "Bob Müller", frozenset({"staff", "r&d,labs"}))


def test_nobody_is_the_caller_without_a_user_id() -> None:
    assert caller_from({f"{PREFIX}name": "alice", f"{PREFIX}groups": "admins"}) is None
    assert caller_from({f"{PREFIX}id": "", f"{PREFIX}groups": "admins"}) is None
    assert caller_from(None) is None


def test_other_headers_say_nothing_about_the_caller() -> None:
    assert caller_from({"user-id": "alice", "x-user-groups": "admins"}) is None


@pytest.mark.parametrize("part", ["id", "name", "groups"])
def test_a_header_that_cannot_be_decoded_makes_the_caller_unknown(part: str) -> None:
    headers = {f"{PREFIX}id": "alice", f"{PREFIX}groups": "admins", f"{PREFIX}{part}": "%FF"}

    assert caller_from(headers) is None


def test_no_groups_are_no_groups() -> None:
    caller = caller_from({f"{PREFIX}id": "charlie", f"{PREFIX}groups": " , "})

    assert caller is not None
    assert caller.groups == frozenset()
