"""Who asks, as resource policies name them.

An access key is a user of this site's account, `arn:aws:iam::ACCOUNT:user/ACCESS_KEY_ID`. A key
that is bound to a workload identity answers to that identity's own ARN as well, so that a policy
outlives the rotation of keys. A person who calls with a token has no ARN: only `*` means them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.conf import settings

from agents.arns import workload_identity_arn
from agents.models import AccessKey, WorkloadIdentity
from agents.policies.conditions import Unsupported
from agents.policies.document import EVERYBODY

_KEY = re.compile(r"arn:aws:iam::[0-9]{12}:user/(\w+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks, by every ARN that they answer to; none: a person with a token."""

    arns: tuple[str, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Return everything by which a policy may mean them."""
        account = _account() if self.arns else ()
        return frozenset({EVERYBODY, *self.arns, *account})

    def __str__(self) -> str:
        """Return what a refusal calls them."""
        return self.arns[0] if self.arns else "a person's token"


PERSON = Principal()


def of_key(access_key_id: str, workload_name: str | None) -> Principal:
    """Return the holder of an access key; `workload_name` is that of its identity, if any."""
    own = access_key_arn(access_key_id)
    return Principal(
        (own,) if workload_name is None else (own, workload_identity_arn(workload_name))
    )


def of_workload(name: str) -> Principal:
    """Return a workload identity that is known by its token, and not by a key."""
    return Principal((workload_identity_arn(name),))


def access_key_arn(access_key_id: str) -> str:
    """Return the ARN of an access key."""
    return f"arn:aws:iam::{settings.DAIKO_ACCOUNT_ID}:user/{access_key_id}"


def refuse_unknown(named: frozenset[str]) -> None:
    """Refuse names that nobody here has: a Deny of somebody misspelt would deny nobody.

    Raises:
        Unsupported: with the names.
    """
    users = {name: found[1] for name in named if (found := _KEY.fullmatch(name))}
    keys = AccessKey.objects.filter(access_key_id__in=users.values())
    identities = WorkloadIdentity.objects.filter(
        name__in={name.rpartition("/")[2] for name in named - users.keys()}
    )
    known = {
        *(EVERYBODY, *_account()),
        *(access_key_arn(key_id) for key_id in keys.values_list("access_key_id", flat=True)),
        *(workload_identity_arn(name) for name in identities.values_list("name", flat=True)),
    }
    if unknown := sorted(named - known):
        raise Unsupported(f"there is no principal {', '.join(unknown)} here")


def _account() -> tuple[str, str]:
    """Return the two names for every access key of this site."""
    return settings.DAIKO_ACCOUNT_ID, f"arn:aws:iam::{settings.DAIKO_ACCOUNT_ID}:root"
