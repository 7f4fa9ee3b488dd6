"""The id by which AWS knows a person whom this site answers for."""

from __future__ import annotations

import re
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from agents.aws.calls import session_id_of, user_id_of
from core.subject import Subject

ISSUER = "https://idp.example"
_subs = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=255)
_subjects = st.builds(Subject, st.sampled_from([ISSUER, "https://other.example"]), _subs)


def test_it_is_partitioned_by_the_issuer() -> None:
    here, there = Subject(ISSUER, "alice"), Subject("https://other.example", "alice")

    assert user_id_of(here) == f"{sha256(ISSUER.encode()).hexdigest()[:32]}+alice"
    assert user_id_of(here) != user_id_of(there)


def test_a_user_id_of_an_operator_is_nobodys_of_an_issuer() -> None:
    assert user_id_of(Subject.opaque("alice")) != user_id_of(Subject(ISSUER, "alice"))


def test_a_subject_that_looks_like_the_digest_of_another_is_not_taken_for_it() -> None:
    long = Subject(ISSUER, "x" * 200)
    tail = user_id_of(long).partition("+")[2]

    assert tail == "=" + sha256(long.sub.encode()).hexdigest()
    assert user_id_of(Subject(ISSUER, tail)) != user_id_of(long)


@given(_subjects, _subjects)
def test_two_people_never_have_one_id(one: Subject, other: Subject) -> None:
    assert (user_id_of(one) == user_id_of(other)) is (one == other)


@given(_subjects)
def test_it_fits_what_aws_takes_and_any_header(subject: Subject) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._~%+=-]{1,128}", user_id_of(subject))


def test_two_people_never_share_a_session_whatever_id_they_choose() -> None:
    chosen = "chosen-by-a-client-" + "x" * 20

    theirs = session_id_of(chosen, Subject(ISSUER, "tenant:alice"))

    assert session_id_of(f"alice:{chosen}", Subject(ISSUER, "tenant")) != theirs


@given(_subjects, _subjects, st.text(":1a", max_size=9), st.text(":1a", max_size=9))
def test_nor_with_ids_and_names_of_any_characters(
    one: Subject, other: Subject, chosen: str, others: str
) -> None:
    is_same = (one, chosen) == (other, others)

    assert (session_id_of(chosen, one) == session_id_of(others, other)) is is_same
