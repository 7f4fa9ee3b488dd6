"""The people of the demo organisation."""

from __future__ import annotations

import secrets

from django.contrib.auth.models import AbstractUser
from django.db import models


def new_subject() -> str:
    """Return an identifier that says nothing about the person and is never given twice."""
    return secrets.token_urlsafe(16)


class User(AbstractUser):
    """A person who signs in here, known to clients by `sub` and by nothing else."""

    # Locally unique and never reassigned (OpenID Connect Core section 8); the primary key would
    # tell how many people there are, and a username can be given to somebody else.
    sub = models.CharField(max_length=64, unique=True, default=new_subject, editable=False)
