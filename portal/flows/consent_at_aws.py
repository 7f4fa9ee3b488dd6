"""A person comes back from a consent that AWS's identity service holds for an agent there."""

from __future__ import annotations

from dataclasses import dataclass

from agents.aws import consents, places
from agents.aws.errors import AwsRefused
from agents.models import Agent
from agents.selectors import agents_usable_by
from core import audit
from core.audit import Event
from portal.models import SignIn
from portal.signins import access_token_for
from vault.errors import ProviderUnavailable, SessionUnknown
from vault.flows.authorization import hashed
from vault.models import ConsentSession

# Regions and ways of calling, each of which is one question to AWS.
_MAX_ASKED = 4


class ConsentRefusedAtAws(SessionUnknown):
    """No identity service of AWS knows this consent as one of this person's."""

    code = "consent_refused_at_aws"


@dataclass(frozen=True, slots=True)
class _Way:
    region: str
    called_with: str


def complete(*, session_uri: str, signin: SignIn) -> str:
    """Return the name of the agent for which the signed-in person's consent is complete at AWS.

    AWS is asked where agents run that the person may use, by their own token or their id there. It
    is on record before anything is sent. Where several agents could have asked, the name is empty.

    Raises:
        SessionUnknown: it can be none of AWS's, or no agent of the person's runs there.
        ConsentRefusedAtAws: AWS knows it not as theirs, or it is over.
        ProviderUnavailable: AWS does not answer now.
        SignInExpired, ProviderAway: there is no token of theirs.
        AuditUnavailable: it cannot be put on record; nothing was sent.
    """
    is_ours = ConsentSession.objects.filter(request_uri_hash=hashed(session_uri)).exists()
    ways = {} if is_ours or not consents.is_session(session_uri) else _ways(signin)
    if not ways:
        raise SessionUnknown(detail="neither this site's nor AWS's")
    subject = signin.user.subject
    refused: AwsRefused | None = None
    for way, agents in list(ways.items())[:_MAX_ASKED]:
        token = access_token_for(signin) if way.called_with == places.BEARER else None
        named = agents[0] if len(agents) == 1 else None
        event = Event(
            "agent.consent_at_aws",
            subject=subject,
            agent=named.agent_id if named else "",
            detail={"region": way.region, "told_by": "token" if token else "id"},
        )
        audit.record(event)
        refused = consents.complete(
            region=way.region, session_uri=session_uri, subject=subject, user_token=token
        )
        if refused is None:
            return named.display_name if named else ""
        audit.record(event.refused(refused))
        if refused.passes:
            raise ProviderUnavailable(detail=refused.because)
    raise ConsentRefusedAtAws(detail=refused.because if refused else "")


def _ways(signin: SignIn) -> dict[_Way, list[Agent]]:
    """Return where the person's agents run on AWS and how they are called, and which those are."""
    found: dict[_Way, list[Agent]] = {}
    usable = agents_usable_by(signin.user).filter(enabled=True, versions__url__startswith="arn:")
    for agent in usable.distinct().prefetch_related("versions").order_by("pk"):
        newest = max(agent.versions.all(), key=lambda version: version.number)
        place = places.place_at(newest.url)
        if place is not None:
            found.setdefault(_Way(place.region, newest.called_with), []).append(agent)
    return found
