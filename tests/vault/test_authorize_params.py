"""An agent's own parameters change neither the flow nor how much a person is asked for."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from core.models import User
from core.secret import Secret
from tests.vault.conftest import World, events
from vault.asked import authorize_params
from vault.asked.authorize_params import RESERVED, Keeper
from vault.errors import ParameterReserved
from vault.models import ConsentSession


def kept_by(keeper: Keeper) -> list[str]:
    return [name for name, reserved in RESERVED.items() if reserved.keeper is keeper]


REFUSED = [*kept_by(Keeper.NOBODY), *kept_by(Keeper.ADMIN)]


@pytest.mark.parametrize("name", REFUSED)
def test_an_agent_may_not_ask_for_more_than_its_scopes_say(
    name: str, world: World, alice: User
) -> None:
    with pytest.raises(ParameterReserved) as caught:
        world.read(alice, custom_parameters={name: Secret("hidden-value")})

    assert (caught.value.aws, caught.value.status) == ("ValidationException", 400)
    assert str(caught.value.message) == (
        f"customParameters may not set {name!r} ({RESERVED[name].reason})."
    )
    [refused] = events("vault.token.refused")
    assert (refused.reason, refused.subject_sub) == ("parameter_reserved", "alice")
    assert not ConsentSession.objects.exists()


@pytest.mark.parametrize("name", ["User_Scope", "user.scope", "AUDIENCE", "sessionToken"])
def test_another_way_of_writing_a_name_is_no_way_around(
    name: str, world: World, alice: User
) -> None:
    with pytest.raises(ParameterReserved):
        world.read(alice, custom_parameters={name: Secret("x")})

    assert not ConsentSession.objects.exists()


def test_it_is_refused_also_where_there_is_a_grant(world: World, alice: User) -> None:
    world.grant(alice)

    with pytest.raises(ParameterReserved):
        world.read(alice, custom_parameters={"user_scope": Secret("x")})

    assert events("vault.token.released") == []


@pytest.mark.parametrize("value", ["admin_consent", "consent admin_consent", "", "CONSENT"])
@pytest.mark.parametrize("name", ["prompt", "Prompt"])
def test_a_prompt_asks_the_person_and_not_their_organisation(
    name: str, value: str, world: World, alice: User
) -> None:
    with pytest.raises(ParameterReserved):
        world.read(alice, custom_parameters={name: Secret(value)})


@pytest.mark.parametrize(
    "given",
    [
        {"access_type": "offline", "prompt": "consent select_account"},
        {"token_access_type": "offline"},
        {"login_hint": "a@example.com", "hd": "example.com", "ui_locales": "ja"},
        {"duration": "permanent"},
    ],
)
def test_what_providers_need_and_what_widens_nothing_passes(given: dict[str, str]) -> None:
    authorize_params.check_callers({name: Secret(value) for name, value in given.items()})

    assert authorize_params.merged({}, provider={}, caller=given) == given


@pytest.mark.parametrize("name", RESERVED)
def test_no_reserved_name_of_an_agent_reaches_the_provider(name: str) -> None:
    caller = {name: "x", name.upper(): "x", name.replace("_", "."): "x"}

    assert authorize_params.merged({"state": "s"}, provider={}, caller=caller) == {"state": "s"}


def test_what_an_admin_set_no_spelling_sets_again() -> None:
    merged = authorize_params.merged(
        {}, provider={"access_type": "online"}, caller={"Access.Type": "offline"}
    )

    assert merged == {"access_type": "online"}


@pytest.mark.parametrize("name", kept_by(Keeper.ADMIN))
def test_an_admin_may_set_what_is_theirs_to_answer_for(name: str) -> None:
    authorize_params.check_extra({name: "x"})

    assert authorize_params.merged({}, provider={name: "x"}, caller={name: "y"}) == {name: "x"}


@pytest.mark.parametrize("name", [*kept_by(Keeper.FLOW), *kept_by(Keeper.NOBODY), "Scope"])
def test_an_admin_may_not_set_what_is_the_flows(name: str) -> None:
    with pytest.raises(ValidationError, match="set by the flow itself"):
        authorize_params.check_extra({name: "x"})

    assert authorize_params.merged({}, provider={name: "x"}, caller={}) == {}


def test_every_reserved_name_has_its_reason_and_is_written_as_it_is_compared() -> None:
    for name, reserved in RESERVED.items():
        assert reserved.reason
        assert name == name.lower()
        assert "." not in name
