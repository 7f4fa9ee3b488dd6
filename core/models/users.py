"""People."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.contrib.auth.models import AbstractUser, Permission
from django.db import models
from django.utils.translation import gettext_lazy as _

from core import identity_providers
from core.subject import Subject


def username_for(subject: Subject) -> str:
    """Return the internal name of `subject`: stable, and nothing that a person chose."""
    return "u-" + hashlib.sha256(subject.owner.encode()).hexdigest()[:32]


class User(AbstractUser):
    """A person who signed in: `(iss, sub)`, whatever their e-mail address or name becomes.

    The site keeps no password; a row is made at the first sign-in, and its groups and names are
    taken from the identity provider's claims at each one.
    """

    iss = models.CharField(_("issuer"), max_length=512)
    sub = models.CharField(_("subject"), max_length=255)
    name = models.CharField(_("name"), max_length=255, blank=True)

    REQUIRED_FIELDS = ["iss", "sub"]

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints = [
            models.UniqueConstraint(fields=["iss", "sub"], name="core_one_user_per_iss_and_sub"),
        ]

    def __str__(self) -> str:
        return self.display_name

    @property
    def subject(self) -> Subject:
        """Return who this is to everything outside the site."""
        return Subject(self.iss, self.sub)

    @property
    def signs_in_at(self) -> str:
        """Return what their identity provider is called, where the site has several, or ""."""
        own = identity_providers.of_issuer(self.iss) if settings.OIDC_FURTHER else None
        return own.label if own else ""

    @property
    def display_name(self) -> str:
        """Return what to call this person on a page."""
        return self.name or self.email or self.sub

    def get_full_name(self) -> str:
        """Return the name as the identity provider gives it; Django's own two halves stay empty."""
        return self.name


_WORDS = {"operator": _("operator"), "auditor": _("auditor"), "help-desk": _("help desk")}


class Role(models.Model):
    """What somebody may do on the admin site who does not administer all of it.

    Its permissions are those that the code says, and its people those whose groups have it.
    Groups would not do: their names are the identity provider's.
    """

    name = models.CharField(_("name"), max_length=32, unique=True)
    permissions = models.ManyToManyField(
        Permission, related_name="roles", blank=True, verbose_name=_("permissions")
    )
    people = models.ManyToManyField(
        User, related_name="roles", blank=True, verbose_name=_("people")
    )

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        default_permissions = ()

    def __str__(self) -> str:
        return str(_WORDS.get(self.name, self.name))
