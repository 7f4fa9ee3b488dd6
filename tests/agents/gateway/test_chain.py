"""Agents that call agents: for whom, through whom, and where it ends."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from agents import services, workload
from agents.explainer.advice import fix_for
from agents.gateway.chain import MAX_CALLERS
from agents.keys import access_keys
from agents.models import AccessKey, Agent
from agents.people import person_switch
from agents.policies import stored
from agents.workload import Link, VerifiedWorkload
from core.models import AuditEvent, User
from core.secret import Secret
from core.subject import Subject
from tests.agents.conftest import ADMIN, configured, make_agent
from tests.agents.gateway.conftest import events, refusal_of, subject_of
from tests.agents.gateway.test_switching_off import comes_to
from tests.agents.plane import Plane, Reply, invocation_path
from tests.agents.signing import signed_headers
from tests.agents.small_agent import SmallAgent, small_agent
from tests.fixtures.issuer import Issuer

WAT = "X-Amz-Bedrock-AgentCore-Identity-WAT"
SESSION = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id"
GROUPS = "X-Amzn-Bedrock-AgentCore-Runtime-Custom-User-Groups"
USER_ID = "X-Amzn-Bedrock-AgentCore-Runtime-User-Id"
Key = tuple[AccessKey, Secret]


@dataclass
class Pair:
    """Two agents with a key each: the first one is called by people, the other one lists it."""

    plane: Plane
    issuer: Issuer
    people: dict[str, User]
    first: Agent
    upstream: SmallAgent
    called: Agent
    upstream_of_called: SmallAgent

    def __post_init__(self) -> None:
        self.key = key_of(self.first)
        self.alice = Subject(self.issuer.url, "alice")

    @property
    def name(self) -> str:
        """Return the name of the workload identity that calls."""
        return self.first.workload_identity.name

    def wat(self) -> str:
        """Return what the first agent is called with, by alice."""
        token = {"authorization": f"Bearer {self.issuer.token()}", SESSION: "s" * 40}
        assert self.plane.ask(invocation_path(self.first), headers=token).status == 200
        return self.upstream.next_call().header(WAT) or ""

    def call(
        self,
        wat: str | None,
        *,
        by: Key | None = None,
        headers: dict[str, str] | None = None,
        agent: Agent | None = None,
    ) -> Reply:
        """Call the other agent with the first one's key, showing `wat` unless there is none."""
        path = invocation_path(agent or self.called)
        row, secret = by or self.key
        named = {**(headers or {}), **({} if wat is None else {WAT: wat})}
        signed = signed_headers(
            self.plane.url + path, key_id=row.access_key_id, secret=secret, headers=named
        )
        return self.plane.ask(path, headers=signed)

    def call_with_both(self, wat: str) -> Reply:
        """Call the other agent with alice's own token, showing `wat`."""
        headers = {"authorization": f"Bearer {self.issuer.token()}", WAT: wat}
        return self.plane.ask(invocation_path(self.called), headers=headers)

    def passed(self) -> VerifiedWorkload:
        """Return what the other agent's token says of the newest call."""
        return workload.read(self.upstream_of_called.next_call().header(WAT) or "")

    def refused(self, reply: Reply, reason: str) -> None:
        """Look that a call was refused for that reason, on record, and nothing forwarded."""
        assert (reply.status, reply.error) == (403, "AccessDeniedException")
        assert refusal_of(self.called) == reason
        assert self.upstream_of_called.connections == 0


def key_of(agent: Agent) -> Key:
    return access_keys.access_key_create(
        label="agent", workload_identity=agent.workload_identity, actor=ADMIN
    )


@pytest.fixture
def pair(
    plane: Plane, agent: Agent, upstream: SmallAgent, people: dict[str, User], issuer: Issuer
) -> Iterator[Pair]:
    """Two agents for alice and for bob's group."""
    with small_agent() as upstream_of_called:
        called = make_agent(
            f"{agent.name}_called",
            None,
            url=upstream_of_called.url,
            auth_mode="SIGV4",
            discovery_url="",
            allowed_clients=(),
            allowed_workloads=(agent.workload_identity.name,),
            people=[people["alice"]],
            groups=list(people["bob"].groups.all()),
            header_allowlist=(GROUPS,),
        )
        yield Pair(plane, issuer, people, agent, upstream, called, upstream_of_called)


@pytest.fixture
def open_pair(pair: Pair) -> Pair:
    """The same, the other one being called with people's tokens as well."""
    asked = configured(pair.issuer, url=pair.upstream_of_called.url, allowed_workloads=(pair.name,))
    services.agent_configure(agent=pair.called, asked=asked, actor=ADMIN)
    return pair


def issued(agent: Agent, subject: Subject | None, **about: Any) -> str:
    identity = agent.workload_identity
    return workload.issue(
        workload_id=identity.pk, workload_name=identity.name, subject=subject, **about
    ).reveal()


def told(agent: Agent) -> dict[str, Any]:
    newest = AuditEvent.objects.filter(agent=agent.agent_id, action="agent.invocation").latest("pk")
    detail: dict[str, Any] = newest.detail
    return detail


def test_the_person_goes_on_to_the_agent_that_an_agent_calls(pair: Pair) -> None:
    wat = pair.wat()

    assert pair.call(wat).status == 200

    got = pair.upstream_of_called.next_call()
    passed = workload.read(got.header(WAT) or "")
    assert passed.workload_name == pair.called.workload_identity.name
    assert passed.subject == pair.alice
    identity = pair.first.workload_identity
    assert passed.chain == (Link(identity.pk, identity.name),)
    assert got.header(USER_ID) == "alice"
    assert wat not in str(got.headers)
    assert subject_of(pair.called) == pair.alice


def test_the_trail_names_the_chain_and_the_first_call(pair: Pair) -> None:
    wat = pair.wat()
    first = workload.read(wat)

    assert pair.call(wat).status == 200

    assert told(pair.called)["chain"] == [pair.name]
    assert told(pair.called)["invocation"] == first.invocation
    passed = pair.passed()
    assert (passed.invocation, passed.session_id) == (first.invocation, "s" * 40)
    assert passed.expires_at == first.expires_at
    own = AuditEvent.objects.filter(agent=pair.first.agent_id, action="agent.invocation").get()
    assert own.reference == first.invocation
    assert "chain" not in own.detail


def test_the_next_agents_token_names_all_that_came_before(pair: Pair) -> None:
    before = (Link(pair.called.workload_identity.pk, pair.called.workload_identity.name),)

    assert pair.call(issued(pair.first, pair.alice, chain=before)).status == 200

    passed = pair.passed()
    assert [link.name for link in passed.chain] == [
        pair.name,
        pair.called.workload_identity.name,
    ]


@pytest.mark.parametrize("junk", ["", "wat1.AAAA", "eyJhbGciOiJub25lIn0.e30.", "x" * 5000])
def test_what_is_no_token_of_this_site_is_refused(pair: Pair, junk: str) -> None:
    reply = pair.call(junk)

    pair.refused(reply, "caller_token_invalid")
    assert "no workload access token of this site" in reply.message
    assert "www-authenticate" not in reply.headers


def test_a_token_that_expired_is_refused(pair: Pair) -> None:
    past = int(time.time()) - 1

    reply = pair.call(issued(pair.first, pair.alice, expires_by=past))

    pair.refused(reply, "caller_token_invalid")


def test_a_stolen_token_is_not_enough(pair: Pair) -> None:
    reply = pair.call(pair.wat(), by=key_of(pair.called))

    pair.refused(reply, "caller_token_foreign")
    assert told(pair.called)["token_of"] == pair.name
    assert "chain" not in told(pair.called)
    assert subject_of(pair.called) == pair.alice


def test_an_operators_key_has_no_place_in_a_chain(pair: Pair) -> None:
    operator = access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)

    reply = pair.call(pair.wat(), by=operator)

    pair.refused(reply, "caller_token_foreign")
    assert "own key" in reply.message


def test_an_agent_that_is_not_listed_may_not_call_on_behalf_of_others(pair: Pair) -> None:
    asked = configured(
        url=pair.upstream_of_called.url, auth_mode="SIGV4", discovery_url="", allowed_clients=()
    )
    services.agent_configure(agent=pair.called, asked=asked, actor=ADMIN)

    reply = pair.call(pair.wat())

    pair.refused(reply, "caller_not_listed")
    assert f"add {pair.name} to" in reply.message
    assert told(pair.called)["chain"] == [pair.name]


@pytest.mark.parametrize(("before", "reason"), [(MAX_CALLERS - 1, ""), (MAX_CALLERS, "too_long")])
def test_a_chain_ends_at_its_limit(pair: Pair, before: int, reason: str) -> None:
    link = Link(pair.called.workload_identity.pk, pair.called.workload_identity.name)

    reply = pair.call(issued(pair.first, pair.alice, chain=(link,) * before))

    if reason:
        pair.refused(reply, "chain_too_long")
        assert f"at most {MAX_CALLERS}" in reply.message
        assert len(told(pair.called)["chain"]) == MAX_CALLERS + 1
    else:
        assert reply.status == 200


def test_the_called_agent_has_to_be_for_the_person_too(pair: Pair) -> None:
    reply = pair.call(issued(pair.first, Subject(pair.issuer.url, "charlie")))

    pair.refused(reply, "person_of_caller_not_admitted")


def test_a_person_who_never_signed_in_here_is_asked_to_and_nothing_is_called(pair: Pair) -> None:
    reply = pair.call(issued(pair.first, Subject(pair.issuer.url, "dora")))

    pair.refused(reply, "person_of_caller_unknown")
    assert reply.message.endswith("Let them sign in here once.")
    assert "sign in at this site once" in fix_for("person_of_caller_unknown", (), (), {})


def test_groups_are_those_of_the_last_sign_in_and_not_the_tokens(pair: Pair) -> None:
    staff = pair.people["bob"].groups.get()
    bob = issued(pair.first, Subject(pair.issuer.url, "bob"), groups=frozenset({staff.name}))
    assert pair.call(bob).status == 200
    got = pair.upstream_of_called.next_call()
    assert workload.read(got.header(WAT) or "").groups == frozenset({staff.name})
    assert got.header(GROUPS) == staff.name
    pair.upstream_of_called.calls.clear()

    pair.people["bob"].groups.clear()

    assert comes_to(403, lambda: pair.call(bob).status)
    assert events(pair.called)[-1] == (
        "agent.invocation",
        "refused",
        "person_of_caller_not_admitted",
    )


def test_a_user_whom_the_agent_names_itself_is_refused(pair: Pair) -> None:
    services.agent_open_to(agent=pair.called, everyone=True, groups=[], people=[], actor=ADMIN)

    reply = pair.call(issued(pair.first, Subject.opaque("customer-7")))

    pair.refused(reply, "not_for_a_user")


def test_a_user_whom_an_operator_named_goes_on_where_everybody_may_come(pair: Pair) -> None:
    customer = issued(pair.first, Subject.opaque("customer-7"), invocation="f" * 20)
    pair.refused(pair.call(customer), "person_of_caller_not_admitted")

    services.agent_open_to(agent=pair.called, everyone=True, groups=[], people=[], actor=ADMIN)

    assert comes_to(200, lambda: pair.call(customer).status)
    passed = pair.passed()
    assert passed.subject == Subject.opaque("customer-7")


def test_an_agent_cannot_name_another_user_beside_its_token(pair: Pair) -> None:
    pair.refused(pair.call(pair.wat(), headers={USER_ID: "bob"}), "not_for_a_user")


def test_a_token_that_is_not_signed_along_is_refused(pair: Pair) -> None:
    path, (row, secret) = invocation_path(pair.called), pair.key
    signed = signed_headers(pair.plane.url + path, key_id=row.access_key_id, secret=secret)

    reply = pair.plane.ask(path, headers={**signed, WAT: pair.wat()})

    assert reply.status == 403
    assert refusal_of(pair.called) == "signature_headers"
    assert pair.upstream_of_called.connections == 0


def test_without_a_token_an_agent_calls_for_nobody_and_is_named(pair: Pair) -> None:
    assert pair.call(None).status == 200

    passed = pair.passed()
    assert passed.subject is None
    assert [link.name for link in passed.chain] == [pair.name]


def test_a_policy_denies_a_call_in_the_name_of_a_person(pair: Pair) -> None:
    stored.policy_put(
        resource_arn=pair.called.arn,
        text='{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": "*", '
        '"Action": "bedrock-agentcore:InvokeAgentRuntimeForUser", "Resource": "*", "Condition": '
        '{"StringEquals": {"bedrock-agentcore:InboundJwtClaim/sub": "alice"}}}}',
        actor=ADMIN,
    )

    pair.refused(pair.call(pair.wat()), "policy_denied")


Ending = Callable[[Agent, Agent, dict[str, User]], None]


def _agent_off(agent: Agent, called: Agent, people: dict[str, User]) -> None:
    services.agent_switch(agent=agent, enabled=False, actor=ADMIN)


def _identity_off(agent: Agent, called: Agent, people: dict[str, User]) -> None:
    services.workload_identity_switch(identity=agent.workload_identity, enabled=False, actor=ADMIN)


def _person_off(agent: Agent, called: Agent, people: dict[str, User]) -> None:
    person_switch(person=people["alice"], active=False, actor=ADMIN)


def _closed_to_person(agent: Agent, called: Agent, people: dict[str, User]) -> None:
    services.agent_open_to(agent=agent, everyone=False, groups=[], people=[], actor=ADMIN)


def _called_off(agent: Agent, called: Agent, people: dict[str, User]) -> None:
    services.agent_switch(agent=called, enabled=False, actor=ADMIN)


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (_agent_off, "chain_broken"),
        (_identity_off, "chain_broken"),
        (_person_off, "person_disabled"),
        (_closed_to_person, "person_not_admitted"),
        (_called_off, "agent_disabled"),
    ],
)
def test_whoever_is_switched_off_ends_the_calls_further_down(
    pair: Pair, ending: Ending, reason: str
) -> None:
    wat = pair.wat()
    assert pair.call(wat).status == 200

    ending(pair.first, pair.called, pair.people)

    assert comes_to(403, lambda: pair.call(wat).status)
    assert events(pair.called)[-1] == ("agent.invocation", "refused", reason)


def test_a_link_far_up_that_is_switched_off_ends_the_calls_further_down(pair: Pair) -> None:
    planner = make_agent(f"{pair.first.name}_planner", pair.issuer, url=pair.upstream_of_called.url)
    before = (Link(planner.workload_identity.pk, planner.workload_identity.name),)
    deep = issued(pair.first, pair.alice, chain=before)
    assert pair.call(deep).status == 200

    services.agent_switch(agent=planner, enabled=False, actor=ADMIN)

    assert comes_to(403, lambda: pair.call(deep).status)
    assert events(pair.called)[-1] == ("agent.invocation", "refused", "chain_broken")


def test_who_is_gone_by_now_ends_the_calls_further_down(pair: Pair) -> None:
    reply = pair.call(issued(pair.first, pair.alice, chain=(Link(1, "gone"),)))

    pair.refused(reply, "chain_broken")


def test_a_namesake_of_who_was_there_before_is_somebody_else(pair: Pair) -> None:
    gone = (Link(1, pair.called.workload_identity.name),)

    reply = pair.call(issued(pair.first, pair.alice, chain=gone))

    pair.refused(reply, "chain_broken")


def test_a_persons_token_and_the_agents_extend_the_chain(open_pair: Pair) -> None:
    assert open_pair.call_with_both(open_pair.wat()).status == 200

    passed = open_pair.passed()
    assert [link.name for link in passed.chain] == [open_pair.name]
    assert passed.session_id == "s" * 40
    assert passed.user_token is not None
    assert told(open_pair.called)["chain"] == [open_pair.name]


def test_two_tokens_of_different_persons_are_refused(open_pair: Pair) -> None:
    bobs = issued(open_pair.first, Subject(open_pair.issuer.url, "bob"))

    reply = open_pair.call_with_both(bobs)

    open_pair.refused(reply, "caller_token_of_another")
    assert subject_of(open_pair.called) == open_pair.alice


@pytest.mark.parametrize("subject", [None, Subject.opaque("alice")])
def test_a_token_of_nobody_does_not_go_with_a_persons(
    open_pair: Pair, subject: Subject | None
) -> None:
    reply = open_pair.call_with_both(issued(open_pair.first, subject))

    open_pair.refused(reply, "caller_token_of_another")


def test_a_person_s_token_does_not_stand_for_a_place_on_the_list(open_pair: Pair) -> None:
    others = issued(open_pair.called, open_pair.alice)

    reply = open_pair.call_with_both(others)

    open_pair.refused(reply, "caller_not_listed")


def test_a_policy_denies_the_agent_that_shows_its_token(open_pair: Pair) -> None:
    stored.policy_put(
        resource_arn=open_pair.called.arn,
        text='{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Principal": {"AWS": '
        f'"{open_pair.first.workload_identity.arn}"}}, "Resource": "*", '
        '"Action": "bedrock-agentcore:InvokeAgentRuntime"}}',
        actor=ADMIN,
    )

    reply = open_pair.call_with_both(open_pair.wat())

    open_pair.refused(reply, "policy_denied")


@dataclass(frozen=True)
class Tried:
    """One call of one agent by another, honest or not."""

    signed_by: str
    token_of: str
    subject: str | None
    through: int
    expired: bool
    listed: bool

    @property
    def may(self) -> bool:
        """Say whether it is to go through, by the rules as they are written down."""
        own = self.signed_by == self.token_of == "first"
        whole = self.through < MAX_CALLERS and not self.expired
        return own and whole and self.listed and self.subject in {None, "alice", "bob"}


_TRIED = st.builds(
    Tried,
    signed_by=st.sampled_from(["first", "first", "first", "called", "operator"]),
    token_of=st.sampled_from(["first", "first", "first", "called"]),
    subject=st.sampled_from([None, "alice", "bob", "charlie", "opaque"]),
    through=st.integers(0, MAX_CALLERS + 1),
    expired=st.sampled_from([False, False, False, True]),
    listed=st.sampled_from([True, True, True, False]),
)


def test_what_goes_through_is_what_the_rules_say_and_for_the_tokens_person_alone(
    pair: Pair,
) -> None:
    operator = access_keys.access_key_create(label="op", workload_identity=None, actor=ADMIN)
    keys = {"first": pair.key, "called": key_of(pair.called), "operator": operator}
    closed = make_agent(
        f"{pair.called.name}_closed",
        None,
        url=pair.upstream_of_called.url,
        auth_mode="SIGV4",
        discovery_url="",
        allowed_clients=(),
        everyone=True,
    )
    link = Link(pair.called.workload_identity.pk, pair.called.workload_identity.name)
    agents = {"first": pair.first, "called": pair.called}

    def subject_called(name: str | None) -> Subject | None:
        if name is None:
            return None
        return Subject.opaque("alice") if name == "opaque" else Subject(pair.issuer.url, name)

    @given(tried=_TRIED)
    @hypothesis_settings(max_examples=80, deadline=None)
    def hold(tried: Tried) -> None:
        subject = subject_called(tried.subject)
        wat = issued(
            agents[tried.token_of],
            subject,
            chain=(link,) * tried.through,
            expires_by=int(time.time()) + (-1 if tried.expired else 600),
        )
        pair.upstream_of_called.calls.clear()

        reply = pair.call(
            wat, by=keys[tried.signed_by], agent=pair.called if tried.listed else closed
        )

        assert reply.status == (200 if tried.may else 403), (tried, reply.body)
        assert len(pair.upstream_of_called.calls) == int(tried.may)
        for call in pair.upstream_of_called.calls:
            passed = workload.read(call.header(WAT) or "")
            assert (passed.workload_name, passed.subject) == (link.name, subject)
            assert passed.called_through == (pair.name, *[link.name] * tried.through)

    hold()
