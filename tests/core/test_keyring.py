import base64

import pytest
from django.core.exceptions import ImproperlyConfigured

from core import keyring

KEY = base64.b64encode(b"k" * 32).decode()
OTHER = base64.b64encode(b"o" * 32).decode()


def test_the_first_key_is_the_newest_and_all_are_there() -> None:
    ring = keyring.parse(f"new:{KEY},old:{OTHER}")

    assert ring.newest_id == "new"
    assert set(ring.keys) == {"new", "old"}


def test_entries_may_stand_on_lines_of_their_own_and_in_url_safe_base64() -> None:
    urlsafe = base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode()

    assert set(keyring.parse(f"a:{KEY}\n\nb:{urlsafe}\n").keys) == {"a", "b"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "entry 1", id="nothing"),
        pytest.param("justakey", "entry 1", id="no id"),
        pytest.param(f"a:{KEY},b", "entry 2", id="second entry"),
        pytest.param(f"a b:{KEY}", "entry 1", id="blank in the id"),
        pytest.param("a:" + base64.b64encode(b"k" * 31).decode(), "entry 1", id="31 bytes"),
        pytest.param("a:" + base64.b64encode(b"k" * 33).decode(), "entry 1", id="33 bytes"),
        pytest.param("a:AAAAA", "entry 1", id="not base64"),
        pytest.param(f"{'k' * 43}:a", "entry 1", id="the key where the id goes"),
        pytest.param(f"a:{KEY},a:{OTHER}", "twice", id="an id twice"),
    ],
)
def test_a_ring_that_is_wrong_is_refused_and_the_message_holds_no_key(text: str, said: str) -> None:
    with pytest.raises(ImproperlyConfigured) as caught:
        keyring.parse(text)

    assert said in str(caught.value)
    assert KEY not in str(caught.value)
    assert "justakey" not in str(caught.value)
    assert "kkk" not in str(caught.value)


def test_a_ring_prints_its_ids_and_no_key() -> None:
    shown = repr(keyring.parse(f"new:{KEY},old:{OTHER}"))

    assert shown == "KeyRing(new, old)"
