"""What the admin site's page of a person says of their sign-ins, and does about them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import mark_safe
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from agents.admin.shared import actor_of, moment
from core.models import User
from portal.signed_in import Place, places_end, places_of
from vault.admin.ending import EndablePersonAdmin

# What is registered in the rooms below knows nothing of sign-ins.
admin.site.unregister(User)


@admin.register(User)
class SignedInPersonAdmin(EndablePersonAdmin):
    """People, where they are signed in, and the end of that."""

    fields = (*EndablePersonAdmin.fields, "signed_in_with")
    readonly_fields = fields
    actions: Any = (*EndablePersonAdmin.actions, "sign_out_selected")

    @admin.display(description=_("signed in with (UTC)"))
    def signed_in_with(self, person: User) -> str:
        """Return each browser, since when, and when it was last seen."""
        return (
            format_html_join(mark_safe("<br>"), "{}", ((_said(p),) for p in places_of(person)))
            or "-"
        )

    def has_sign_out_permission(self, request: HttpRequest) -> bool:
        """Say whether this admin may sign people out."""
        return request.user.has_perm("portal.end_signin")

    @admin.action(
        permissions=["sign_out"], description=_("Sign the selected people out everywhere")
    )
    def sign_out_selected(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """End each one's sign-ins. An admin who is among them stays here."""
        here = request.signin  # type: ignore[attr-defined]  # our middleware's
        ended = sum(places_end(user=person, but=here, by=actor_of(request)) for person in queryset)
        said = ngettext("%(count)d sign-in ended.", "%(count)d sign-ins ended.", ended)
        messages.success(request, said % {"count": ended})


def _said(place: Place) -> str:
    return format_html(
        str(_("{browser}, since {started}, last seen {seen}")),
        browser=place.browser,
        started=moment(place.started_at),
        seen=moment(place.seen_at),
    )
