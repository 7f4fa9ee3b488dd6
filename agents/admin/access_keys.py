"""Access keys on the admin site: made, shown once, rotated, switched off, revoked."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from weakref import WeakKeyDictionary

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.cache import add_never_cache_headers
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from agents.admin.shared import DeclaredAdmin, actor_of, chip, moment, switched, tell_switched
from agents.keys import access_keys, rotation
from agents.keys.operations import FOR_AGENTS, FOR_OPERATORS
from agents.models import AccessKey
from core.errors import Conflict
from core.secret import Secret

_TYPED = (
    *("label", "kind", "workload_identity", "may_do_everything"),
    *("expires_at", "operations"),
)


class AccessKeyForm(forms.ModelForm[AccessKey]):
    """A new key. Whose it is has to be said: leaving something out never makes an operator's."""

    kind = forms.ChoiceField(
        label=_("What it is good for"),
        widget=forms.RadioSelect,
        choices=(
            (AccessKey.Kind.AGENT, _("Agent key, for the workload identity chosen below")),
            (AccessKey.Kind.OPERATOR, _("Operator key, bound to no workload identity")),
        ),
        help_text=_(
            "An agent's process signs with an agent key. It gets tokens for its own workload "
            "identity and for no other. An operator key is for automation that you trust as much "
            "as an admin: unless you limit it, it acts as every agent, names any user to it, and "
            "changes this site. Never give one to an agent."
        ),
    )
    may_do_everything = forms.BooleanField(
        label=_("Yes, this key may do everything"),
        required=False,
        help_text=_("Needed for an operator key that is not limited to operations below."),
    )
    operations = forms.MultipleChoiceField(
        label=_("Only for these operations"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        choices=(
            (_("For either kind of key"), [(name, name) for name in FOR_AGENTS]),
            (_("For operator keys"), [(name, name) for name in FOR_OPERATORS]),
        ),
        help_text=_(
            "A key that leaks does the less harm the less it may do. None ticked: all that its "
            "kind may do."
        ),
    )

    class Meta:
        model = AccessKey
        fields = ("label", "workload_identity", "expires_at")
        help_texts = {
            "label": _("Where the key will be used, so that you know it again."),
            "workload_identity": _(
                "For an agent key. An agent's own identity was made with the agent and begins with "
                "its name."
            ),
        }

    def clean(self) -> dict[str, Any]:
        """Refuse a key of which it is not clear, or not said twice, that it may do everything."""
        cleaned = super().clean() or self.cleaned_data
        identity, sure = cleaned.get("workload_identity"), cleaned.get("may_do_everything")
        if cleaned.get("kind") == AccessKey.Kind.AGENT:
            if identity is None and "workload_identity" not in self.errors:
                self.add_error("workload_identity", _("Choose whose key it is."))
            if sure:
                self.add_error("may_do_everything", _("An agent key may not do everything."))
            if not set(cleaned.get("operations", ())) <= set(FOR_AGENTS):
                self.add_error("operations", _("Some of these are for operator keys alone."))
            if identity is not None and access_keys.has_enough(identity):
                self.add_error("workload_identity", access_keys.TooManyKeys.message)
        elif cleaned.get("kind") == AccessKey.Kind.OPERATOR:
            if identity is not None:
                self.add_error(
                    "workload_identity",
                    _("An operator key has no workload identity. Leave this empty."),
                )
            limited = bool(cleaned.get("operations"))
            if not sure and not limited:
                self.add_error("may_do_everything", _("Tick this to make a key without limits."))
            if sure and limited:
                self.add_error("operations", _("A key that may do everything is not limited."))
        return cleaned

    def clean_expires_at(self) -> datetime | None:
        """Refuse an end that is over."""
        ends: datetime | None = self.cleaned_data["expires_at"]
        if ends is not None and ends <= timezone.now():
            raise forms.ValidationError(_("This is over. Leave it empty for a key without end."))
        return ends


@admin.register(AccessKey)
class AccessKeyAdmin(DeclaredAdmin[AccessKey]):
    """Keys are never edited. A secret is on the page that answers its creation and nowhere else."""

    form = AccessKeyForm
    fields = (
        *("access_key_id", "label", "acts_as", "may_do", "is_now", "expires", "used", "created"),
        "rotation",
    )
    autocomplete_fields = ("workload_identity",)
    list_display = ("label", "access_key_id", "acts_as", "is_now", "used", "created")
    list_filter = ("enabled", "kind")
    list_select_related = ("workload_identity__agent",)
    search_fields = (
        *("label", "=access_key_id", "workload_identity__name"),
        "workload_identity__agent__display_name",
    )
    nothing_yet = _("No access key was made yet. An agent's process needs one to ask for tokens.")
    search_help_text = _("A label, a key id as it stands, or the name of an agent or its identity.")
    actions = ("disable_selected", "enable_selected")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # From the creation of a key to the page that answers the same request.
        self._created: WeakKeyDictionary[HttpRequest, Secret] = WeakKeyDictionary()

    def get_fields(self, request: HttpRequest, obj: AccessKey | None = None) -> Any:
        """Return the fields, on the empty form without what there is not yet."""
        return _TYPED if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: AccessKey | None = None) -> Any:
        """Return everything, once there is a key."""
        return () if obj is None else self.fields

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Offer one way to save: the secret is on the page that comes next, and nowhere else."""
        one_way = {"show_save_and_add_another": False, "show_save_and_continue": False}
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
        """Show the key, with the buttons for what can be done with it."""
        may = {
            "may_switch": self.has_switch_permission(request),
            "may_rotate": self.has_add_permission(request),
        }
        return super().change_view(request, object_id, form_url, {**may, **(extra_context or {})})

    def get_urls(self) -> list[URLPattern]:
        """Return the stock URLs and those of what can be done with one key."""
        views = {
            "switch": self.switch_view,
            "rotate": self.rotate_view,
            "revoke": self.revoke_view,
        }
        own = [
            path(
                f"<path:object_id>/{name}/",
                self.admin_site.admin_view(view),
                name=f"agents_accesskey_{name}",
            )
            for name, view in views.items()
        ]
        return [*own, *super().get_urls()]

    def switch_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Switch one key on or off, and go back to its page."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        key = self.row_to_act_on(request, object_id, may=self.has_switch_permission(request))
        self._switch(request, key, enabled=request.POST.get("enabled") == "yes")
        return self._to_page(key)

    def rotate_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Make the key that is to take this one's place, and show it, this once."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        key = self.row_to_act_on(request, object_id, may=self.has_add_permission(request))
        try:
            made, secret = rotation.access_key_rotate(key=key, actor=actor_of(request))
        except Conflict as exc:
            self.message_user(request, exc.message, messages.ERROR)
            return self._to_page(key)
        return self._shown_once(request, made, secret)

    def revoke_view(self, request: HttpRequest, object_id: str) -> HttpResponseBase:
        """Ask whether this key is meant; then end it for good."""
        key = self.row_to_act_on(request, object_id, may=self.has_switch_permission(request))
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": _("Revoke this access key?"),
                "opts": self.opts,
                "key": key,
                "used": self.used(key),
            }
            return TemplateResponse(request, "admin/agents/accesskey/revoke.html", context)
        rotation.access_key_revoke(key=key, actor=actor_of(request))
        said = _("“%(name)s” is revoked, and its secret is erased.") % {"name": key}
        self.message_user(request, said, messages.SUCCESS)
        return self._to_page(key)

    def _to_page(self, key: AccessKey) -> HttpResponseRedirect:
        return HttpResponseRedirect(reverse("admin:agents_accesskey_change", args=[key.pk]))

    def _switch(self, request: HttpRequest, key: AccessKey, *, enabled: bool) -> None:
        try:
            access_keys.access_key_switch(key=key, enabled=enabled, actor=actor_of(request))
        except Conflict as exc:
            self.message_user(request, f"{key}: {exc.message}", messages.ERROR)
        else:
            tell_switched(request, key, enabled=enabled)

    def has_change_permission(self, request: HttpRequest, obj: AccessKey | None = None) -> bool:
        """Return False: another holder or another identity is another key."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: AccessKey | None = None) -> bool:
        """Return False: the trail names keys by id. A key can be switched off."""
        return False

    def has_switch_permission(self, request: HttpRequest) -> bool:
        """Say whether this admin may switch keys on and off."""
        return request.user.has_perm("agents.change_accesskey")

    @admin.display(description=_("good for"), ordering="workload_identity__name")
    def acts_as(self, key: AccessKey) -> str:
        """Return what the key is good for."""
        if key.kind == AccessKey.Kind.OPERATOR:
            if key.operations:
                return chip(_("Operator: some operations"), "quiet")
            return chip(_("Operator: everything"), "warning")
        return str(key.workload_identity)

    @admin.display(description=_("operations"))
    def may_do(self, key: AccessKey) -> str:
        """Return what the key is limited to."""
        return ", ".join(key.operations) or str(_("all that its kind may do"))

    @admin.display(description=_("state"), ordering="enabled")
    def is_now(self, key: AccessKey) -> str:
        """Return whether the key is good."""
        if key.revoked_at is not None:
            return format_html("{} {}", chip(_("revoked"), "quiet"), moment(key.revoked_at))
        if key.is_expired(at=timezone.now()):
            return chip(_("expired"), "quiet")
        return switched(key.enabled)

    @admin.display(description=_("expires (UTC)"), ordering="expires_at")
    def expires(self, key: AccessKey) -> str:
        """Return when the key ends by itself."""
        return moment(key.expires_at) or str(_("never"))

    @admin.display(description=_("last used (UTC)"), ordering="last_used_at")
    def used(self, key: AccessKey) -> str:
        """Return when the key last signed a call, to the minute."""
        return moment(key.last_used_at) or str(_("never"))

    @admin.display(description=_("rotation"))
    def rotation(self, key: AccessKey) -> str:
        """Return the key beside which this one is in use, and which of the two is the older."""
        newer, older = rotation.successor_of(key), rotation.predecessor_of(key)
        if newer is not None:
            other, said = newer, _("This is the older one. {} replaces it, last used: {}.")
        elif older is not None:
            other, said = older, _("This is the newer one. It replaces {}, last used: {}.")
        else:
            return str(_("It is not being rotated."))
        page = reverse("admin:agents_accesskey_change", args=[other.pk])
        link = format_html('<a href="{}">{}</a>', page, other.access_key_id)
        return format_html(str(said), link, self.used(other))

    @admin.display(description=_("created (UTC)"), ordering="created_at")
    def created(self, key: AccessKey) -> str:
        """Return when the key was made."""
        return moment(key.created_at)

    def save_model(
        self,
        request: HttpRequest,
        obj: AccessKey,
        form: forms.ModelForm[AccessKey],
        change: bool,
    ) -> None:
        """Create the key through the service."""
        typed = form.cleaned_data
        key, secret = access_keys.access_key_create(
            label=typed["label"],
            workload_identity=typed["workload_identity"],  # None: an operator's
            operations=typed["operations"],
            expires_at=typed["expires_at"],
            actor=actor_of(request),
        )
        obj.__dict__.update(key.__dict__)  # the row that the admin goes on with
        self._created[request] = secret

    def response_add(
        self, request: HttpRequest, obj: AccessKey, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the key, this once."""
        return self._shown_once(request, obj, self._created.pop(request))

    def _shown_once(self, request: HttpRequest, key: AccessKey, secret: Secret) -> HttpResponse:
        """Answer with the secret. Not a redirect: nothing keeps it for another page."""
        context = {
            **self.admin_site.each_context(request),
            "title": _("Access key created"),
            "opts": self.opts,
            "key": key,
            "good_for": self.acts_as(key),
            "environment": {
                "AWS_ACCESS_KEY_ID": key.access_key_id,
                "AWS_SECRET_ACCESS_KEY": secret.reveal(),
                "AWS_REGION": settings.AWS_REGION,
                "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE": settings.SITE_URL,
                "AWS_ENDPOINT_URL_BEDROCK_AGENTCORE_CONTROL": settings.SITE_URL,
            },
        }
        page = TemplateResponse(request, "admin/agents/accesskey/created.html", context)
        add_never_cache_headers(page)
        return page

    @admin.action(permissions=["switch"], description=_("Switch the selected keys off"))
    def disable_selected(self, request: HttpRequest, queryset: QuerySet[AccessKey]) -> None:
        """Switch each key off."""
        for key in queryset:
            self._switch(request, key, enabled=False)

    @admin.action(permissions=["switch"], description=_("Switch the selected keys on"))
    def enable_selected(self, request: HttpRequest, queryset: QuerySet[AccessKey]) -> None:
        """Switch each key on."""
        for key in queryset:
            self._switch(request, key, enabled=True)
