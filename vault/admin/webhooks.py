"""Webhooks on the admin site: where events go, and a secret that is shown once."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.http import (
    HttpRequest,
    HttpResponse,
)
from django.template.response import TemplateResponse
from django.urls import URLPattern, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from agents.admin.reason_words import why
from agents.admin.shared import actor_of, chip, moment, switched
from core import http
from core.errors import AppError
from core.secret import Secret
from vault.admin.buttons import WithButtons
from vault.admin.webhook_deliveries import answer_to, next_of, outcome_of
from vault.models import EventType, WebhookDelivery, WebhookEndpoint
from vault.webhooks import addresses, endpoints
from vault.webhooks.sending import Answer

_RECENT = 10


class WebhookForm(forms.ModelForm[WebhookEndpoint]):
    """Where to, and which events."""

    url = forms.CharField(
        label=_("URL"),
        max_length=2048,
        widget=forms.URLInput(attrs={"class": "vURLField", "spellcheck": "false"}),
        help_text=WebhookEndpoint._meta.get_field("url").help_text,
    )
    event_types = forms.MultipleChoiceField(
        label=_("Events"), choices=EventType, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = WebhookEndpoint
        fields = ("url", "description", "event_types", "enabled")

    def clean_url(self) -> str:
        """Refuse an address that events may not be sent to."""
        url = str(self.cleaned_data["url"])
        try:
            addresses.check(url)
        except http.HttpRefused as exc:
            raise forms.ValidationError(str(exc.message)) from exc
        return url


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(WithButtons):
    """A secret is on the page that answers its making, and nowhere else."""

    form = WebhookForm
    list_display = ("name", "sent_to", "is_now", "events", "accepted")
    list_filter = ("enabled", "ended")
    search_fields = ("description", "url")
    search_help_text = _("A part of the description or of the URL.")
    nothing_yet = _(
        "Nobody is told of anything yet. A webhook is sent signed events: that somebody connected, "
        "that a refresh failed or works again, that a connection is over."
    )
    actions = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # From the making of an endpoint to the page that answers the same request.
        self._made: WeakKeyDictionary[HttpRequest, Secret] = WeakKeyDictionary()

    def get_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> Any:
        """Return what is typed, and what is known of an endpoint that is there."""
        typed = ("url", "description", "event_types", "enabled")
        return typed if obj is None else (*typed, *self.get_readonly_fields(request, obj))

    def get_readonly_fields(self, request: HttpRequest, obj: WebhookEndpoint | None = None) -> Any:
        """Return what is known of an endpoint that is there."""
        return () if obj is None else ("is_now", "accepted", "rotation")

    def get_urls(self) -> list[URLPattern]:
        """Return the stock URLs and those of the buttons."""
        may = self.has_change_permission
        own = [
            self.button("test", self.send_test, may=may),
            self.button("rotate", self.rotate, may=may),
            self.button("end_old", self.end_old, may=may),
        ]
        return [*own, *super().get_urls()]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Offer one way to save what is new: its secret is on the page that comes next."""
        one_way = (
            {}
            if object_id
            else {"show_save_and_add_another": False, "show_save_and_continue": False}
        )
        return super().changeform_view(
            request, object_id, form_url, {**one_way, **(extra_context or {})}
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the endpoint with what was sent there last."""
        row = self.get_object(request, unquote(object_id))
        known = {} if row is None else self._around(request, row)
        return super().change_view(request, object_id, form_url, {**known, **(extra_context or {})})

    def _around(self, request: HttpRequest, row: WebhookEndpoint) -> dict[str, Any]:
        if not request.user.has_perm("vault.view_webhookdelivery"):
            recent, listed = [], ""
        else:
            recent = list(row.deliveries.order_by("-created_at")[:_RECENT])
            listed = reverse(
                "admin:vault_webhookdelivery_changelist", query={"endpoint__id__exact": row.pk}
            )
        return {
            "rotating": row.has_previous(at=timezone.now()),
            "deliveries_url": listed,
            "deliveries": [
                {
                    "url": reverse("admin:vault_webhookdelivery_change", args=[each.pk]),
                    "event": each.event_type,
                    "happened": moment(each.created_at),
                    "outcome": outcome_of(each),
                    "attempts": each.attempts,
                    "answered": answer_to(each),
                    "next": next_of(each),
                }
                for each in recent
            ],
        }

    def send_test(self, request: HttpRequest, row: WebhookEndpoint) -> None:
        """Send a test event, and tell what the endpoint said to it."""
        self._tell(request, endpoints.endpoint_probe(endpoint=row, actor=actor_of(request)))

    def _tell(self, request: HttpRequest, answer: Answer) -> None:
        if not answer.failure:
            said = _("The test event was accepted: status %(status)s.")
            self.message_user(request, said % {"status": answer.status}, messages.SUCCESS)
        elif answer.status is not None:
            said = _("The test event was not accepted: status %(status)s.")
            self.message_user(request, said % {"status": answer.status}, messages.WARNING)
        else:
            said = _("The test event did not arrive: %(why)s.")
            reason = why(answer.failure) or answer.failure
            self.message_user(request, said % {"why": reason}, messages.WARNING)

    def rotate(self, request: HttpRequest, row: WebhookEndpoint) -> HttpResponse | None:
        """Make a new secret, and show it, this once."""
        try:
            secret = endpoints.secret_rotate(endpoint=row, actor=actor_of(request))
        except AppError as exc:
            self.message_user(request, str(exc.message), messages.ERROR)
            return None
        row.refresh_from_db()
        return self._shown_once(request, row, secret)

    def end_old(self, request: HttpRequest, row: WebhookEndpoint) -> None:
        """Have the old secret sign no more."""
        endpoints.previous_secret_end(endpoint=row, actor=actor_of(request))
        self.message_user(request, _("The old secret signs no more."), messages.SUCCESS)

    def save_model(
        self,
        request: HttpRequest,
        obj: WebhookEndpoint,
        form: forms.ModelForm[WebhookEndpoint],
        change: bool,
    ) -> None:
        """Save through the service, which keeps the record."""
        if change:
            endpoints.endpoint_change(endpoint=obj, actor=actor_of(request))
        else:
            self._made[request] = endpoints.endpoint_create(endpoint=obj, actor=actor_of(request))

    def response_add(
        self, request: HttpRequest, obj: WebhookEndpoint, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the secret, this once."""
        return self._shown_once(request, obj, self._made.pop(request))

    def _shown_once(
        self, request: HttpRequest, row: WebhookEndpoint, secret: Secret
    ) -> HttpResponse:
        """Answer with the secret. Not a redirect: nothing keeps it for another page."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("Secret of the webhook"),
            "opts": self.opts,
            "webhook": row,
            "secret": secret.reveal(),
            "until": moment(row.previous_until),
        }
        return TemplateResponse(request, "admin/vault/webhookendpoint/secret.html", context)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Return what goes with the endpoints; nothing is in the way."""
        kept = WebhookDelivery.objects.filter(endpoint__in=objs).count()
        return [_("%(count)d deliveries, sent or not") % {"count": kept}], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: WebhookEndpoint) -> None:
        """Delete through the service, which keeps the record."""
        endpoints.endpoint_delete(endpoint=obj, actor=actor_of(request))

    @admin.display(description=_("webhook"), ordering="description")
    def name(self, row: WebhookEndpoint) -> str:
        """Return what it is called."""
        return str(row)

    @admin.display(description=_("sent to"), ordering="url")
    def sent_to(self, row: WebhookEndpoint) -> str:
        """Return where it is."""
        return row.host

    @admin.display(description=_("state"), ordering="enabled")
    def is_now(self, row: WebhookEndpoint) -> str:
        """Return whether it is sent events, and why not where this site stopped by itself."""
        if row.ended:
            said = chip(_("stopped"), "bad")
            return format_html('{} <span class="below">{}</span>', said, row.get_ended_display())
        if row.enabled and row.failing_since is not None:
            said = chip(_("failing"), "warning")
            return format_html("{} {}", said, moment(row.failing_since))
        return switched(row.enabled)

    @admin.display(description=_("events"))
    def events(self, row: WebhookEndpoint) -> str:
        """Return which events it is told of."""
        return ", ".join(row.event_types)

    @admin.display(description=_("last accepted (UTC)"), ordering="last_accepted_at")
    def accepted(self, row: WebhookEndpoint) -> str:
        """Return when it last took an event."""
        return moment(row.last_accepted_at) or "-"

    @admin.display(description=_("old secret"))
    def rotation(self, row: WebhookEndpoint) -> str:
        """Return until when the secret that was replaced signs."""
        if not row.has_previous(at=timezone.now()):
            return str(_("Nothing is signed with an older secret."))
        return format_html("{} {}", _("It signs as well until"), moment(row.previous_until))
