"""Redis keeps no link with which a consent could be opened, nor gives one to another run."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from core.secret import Secret
from portal.models import Conversation, Run, SignIn
from portal.runs import consent
from portal.runs.stream import key_of, sync_client
from tests.portal.conftest import MakePerson
from vault.models import ConsentSession, CredentialProvider

pytestmark = pytest.mark.django_db(transaction=True)

URI = "urn:ietf:params:oauth:request_uri:a-capability"


@pytest.fixture
def run(agent: Agent, person: MakePerson) -> Run:
    """A run of bob's that waits for his consent, as it lies in Redis."""
    bob = person("bob").user
    conversation = Conversation.objects.create(user=bob, agent=agent)
    question = conversation.messages.create(role="user", text="?", client_key=uuid.uuid4())
    run = Run.objects.create(
        conversation=conversation,
        question=question,
        answer=conversation.messages.create(role="assistant"),
        signin=SignIn.objects.get(user=bob),
        status=Run.Status.QUEUED,
        language="en",
    )
    session = ConsentSession(
        workload_identity=agent.workload_identity,
        provider=CredentialProvider(display_name="Acme Calendar"),
        user_iss=bob.iss,
        user_sub=bob.sub,
        runtime_session_id=conversation.runtime_session_id,
        expires_at=timezone.now() + timedelta(minutes=10),
    )
    session.request_uri_sealed = session.sealed("request_uri_sealed", Secret(URI)) or b""
    consent.consent_show(session)
    return run


def _stored(run: Run) -> str:
    entries: Any = sync_client().xrange(key_of(run.pk))
    [(_, fields)] = entries
    return str(fields["data"])


def test_the_link_lies_sealed_and_reaches_the_person(run: Run) -> None:
    stored = _stored(run)

    assert "a-capability" not in stored
    assert "a-capability" not in base64.b64decode(json.loads(stored)["url"]).decode("latin-1")
    assert "a-capability" in consent.url_in(run.pk, json.loads(stored))
    run.answer.refresh_from_db()
    assert "a-capability" not in str(run.answer.parts)


def test_a_link_moved_to_another_run_does_not_open(run: Run) -> None:
    assert consent.url_in(uuid.uuid4(), json.loads(_stored(run))) == ""
