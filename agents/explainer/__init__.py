"""Why a token is let in to an agent, or is not: every check in order, with the fix in words."""

from agents.explainer.explanation import Explanation, explain, explain_sync
from agents.explainer.findings import Finding, State
from agents.explainer.recording import record_explained, record_look_up

__all__ = [
    "Explanation",
    "Finding",
    "State",
    "explain",
    "explain_sync",
    "record_explained",
    "record_look_up",
]
