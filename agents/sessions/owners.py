"""Whose a session is, where no person calls."""

from __future__ import annotations

from core.subject import Subject

# No OpenID provider is called that: an issuer is an https URL.
OPERATORS = Subject("daiko:operator", "operators")


def owner_of(subject: Subject | None, *, workload_name: str | None) -> Subject:
    """Return whose the sessions of a call are: the person's for whom it is made.

    A call for nobody is its signer's own: a workload identity's, or, without one, the operators',
    who share theirs, since their keys are replaced by one another.
    """
    if subject is not None:
        return subject
    return OPERATORS if workload_name is None else Subject.of_workload(workload_name)
