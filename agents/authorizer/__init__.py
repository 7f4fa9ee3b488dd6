"""The inbound authorizer: which tokens may call an agent.

Every check is one entry of one table, in the order in which they are tried. The authorizer takes
the first that refuses; the explainer goes on to the end and shows each. The outside learns the wire
API's message; the audit trail learns the stable reason code, and what was compared.
"""

from agents.authorizer.checks import LEEWAY_S
from agents.authorizer.claims import groups_of, scopes_of
from agents.authorizer.refusal import TokenRefused, VerifiedCaller, unparsable
from agents.authorizer.rule import Authorizer, CustomClaim, custom_claims_from
from agents.authorizer.verification import check_claims, forget, verify

__all__ = [
    "LEEWAY_S",
    "Authorizer",
    "CustomClaim",
    "TokenRefused",
    "VerifiedCaller",
    "check_claims",
    "custom_claims_from",
    "forget",
    "groups_of",
    "scopes_of",
    "unparsable",
    "verify",
]
