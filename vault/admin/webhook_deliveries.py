"""What was sent to webhooks on the admin site: looked at, and sent again."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from agents.admin.reason_words import why
from agents.admin.shared import LookOnly, Tone, actor_of, chip, moment
from core.errors import Conflict
from vault.admin.buttons import WithButtons
from vault.models import WebhookDelivery
from vault.webhooks import endpoints


def outcome_of(delivery: WebhookDelivery) -> str:
    """Return what came of a delivery so far, as a label, and why."""
    tones: dict[str, Tone] = {"accepted": "good", "failed": "bad"}
    tone = tones.get(delivery.state, "warning" if delivery.failure else "quiet")
    said = chip(delivery.get_state_display(), tone)
    if not delivery.failure:
        return said
    reason = why(delivery.failure) or delivery.failure
    return format_html('{} <span class="below">{}</span>', said, reason)


def next_of(delivery: WebhookDelivery) -> str:
    """Return when it is sent next; nothing where it is over."""
    return moment(delivery.next_attempt_at) or "-"


def answer_to(delivery: WebhookDelivery) -> str:
    return "-" if delivery.response_status is None else str(delivery.response_status)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(LookOnly, WithButtons):
    """Look at what was sent, and have it sent again."""

    fields = (
        *("event_type", "message_id", "endpoint", "is_now", "tries", "tried", "answered"),
        *("next_at", "happened", "body"),
    )
    readonly_fields = fields
    list_display = (
        *("event_type", "endpoint", "is_now", "tries", "answered", "next_at", "happened"),
    )
    list_filter = ("state", "event_type", "endpoint")
    list_select_related = ("endpoint",)
    search_fields = ("=event",)
    search_help_text = _("The id at the receiver, as it stands: msg_…")
    nothing_yet = _("Nothing was sent yet. What happens from now on is, where a webhook wants it.")
    actions = ("resend_selected",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[WebhookDelivery], search_term: str
    ) -> Any:
        """Find a delivery by the id that its receiver tells."""
        event = search_term.strip().removeprefix("msg_")
        with suppress(ValueError):
            event = str(UUID(event))
        return super().get_search_results(request, queryset, event)

    def get_urls(self) -> list[URLPattern]:
        """Return the stock URLs and that of the button."""
        resend = self.button("resend", self.resend, may=self.has_resend_permission)
        return [resend, *super().get_urls()]

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the delivery, with the button for whoever may press it."""
        row = self.get_object(request, unquote(object_id))
        may = self.has_resend_permission(request)
        over = row is None or row.state == WebhookDelivery.State.ACCEPTED
        offered = {"may_resend": may and not over}
        return super().change_view(
            request, object_id, form_url, {**offered, **(extra_context or {})}
        )

    @admin.action(permissions=["resend"], description=_("Send the selected deliveries again"))
    def resend_selected(self, request: HttpRequest, queryset: QuerySet[WebhookDelivery]) -> None:
        """Have each delivery sent again."""
        for row in queryset:
            self.resend(request, row)

    def resend(self, request: HttpRequest, row: WebhookDelivery) -> None:
        """Have one delivery sent again, and tell so."""
        try:
            endpoints.delivery_resend(delivery=row, actor=actor_of(request))
        except Conflict as exc:
            self.message_user(request, f"{row}: {exc.message}", messages.ERROR)
        else:
            said = _("“%(name)s” is sent again in a moment.") % {"name": row}
            self.message_user(request, said, messages.SUCCESS)

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Say whether this admin may have events sent again: who may say where to, may."""
        return request.user.has_perms(
            ["vault.change_webhookendpoint", "vault.view_webhookdelivery"]
        )

    @admin.display(description=_("id at the receiver"))
    def message_id(self, row: WebhookDelivery) -> str:
        """Return what the receiver knows the event by."""
        return row.message_id

    @admin.display(description=_("state"), ordering="state")
    def is_now(self, row: WebhookDelivery) -> str:
        """Return what came of it so far."""
        return outcome_of(row)

    @admin.display(description=_("attempts"), ordering="attempts")
    def tries(self, row: WebhookDelivery) -> str:
        """Return how often it was sent."""
        return str(row.attempts)

    @admin.display(description=_("last attempt (UTC)"), ordering="last_attempt_at")
    def tried(self, row: WebhookDelivery) -> str:
        """Return when it was sent last."""
        return moment(row.last_attempt_at) or "-"

    @admin.display(description=_("answered"), ordering="response_status")
    def answered(self, row: WebhookDelivery) -> str:
        """Return the status of the last answer."""
        return answer_to(row)

    @admin.display(description=_("next attempt (UTC)"), ordering="next_attempt_at")
    def next_at(self, row: WebhookDelivery) -> str:
        """Return when it is sent next."""
        return next_of(row)

    @admin.display(description=_("happened (UTC)"), ordering="created_at")
    def happened(self, row: WebhookDelivery) -> str:
        """Return when what it tells of happened."""
        return moment(row.created_at)

    @admin.display(description=_("payload"))
    def body(self, row: WebhookDelivery) -> str:
        """Return what is sent, laid out to be read."""
        laid_out = json.dumps(json.loads(row.payload), indent=2, ensure_ascii=False)
        return format_html('<pre class="details" tabindex="0">{}</pre>', laid_out)
