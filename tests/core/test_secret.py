import copy
import json
import pickle
from collections.abc import Callable

import pytest
from django.template import Context, Engine

from core.secret import Secret

VALUE = "at-5f0c1b"


@pytest.fixture
def secret() -> Secret:
    return Secret(VALUE)


def test_it_reveals_the_value_only_when_asked_to(secret: Secret) -> None:
    assert secret.reveal() == VALUE


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(lambda s: f"{s}", id="f-string"),
        pytest.param(lambda s: f"{s:>40}", id="format spec"),
        pytest.param(lambda s: f"{s!a}", id="ascii"),
        pytest.param(lambda s: "%s %r" % (s, s), id="percent"),  # noqa: UP031 - the point
        pytest.param(lambda s: repr([s]), id="inside a list"),
    ],
)
def test_no_way_of_printing_it_shows_the_value(
    shown: Callable[[Secret], str], secret: Secret
) -> None:
    assert VALUE not in shown(secret)


def test_a_template_cannot_reveal_it(secret: Secret) -> None:
    template = Engine().from_string("[{{ token }}|{{ token.reveal }}]")

    assert VALUE not in template.render(Context({"token": secret}))


@pytest.mark.parametrize(
    "serialise", [pickle.dumps, copy.copy, copy.deepcopy, json.dumps], ids=lambda f: f.__name__
)
def test_it_cannot_be_serialised_or_copied(
    serialise: Callable[[Secret], object], secret: Secret
) -> None:
    with pytest.raises(TypeError) as caught:
        serialise(secret)

    assert VALUE not in str(caught.value)


def test_it_has_no_dictionary_of_attributes(secret: Secret) -> None:
    with pytest.raises(TypeError):
        vars(secret)


def test_two_secrets_of_one_value_are_equal_and_hash_alike() -> None:
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")


def test_it_is_not_equal_to_its_own_plain_value(secret: Secret) -> None:
    assert secret != VALUE


def test_a_value_that_is_not_proper_unicode_still_compares() -> None:
    assert Secret("\ud800") == Secret("\ud800")
    assert Secret("\ud800") != Secret("\ud801")
