"""What an agent may reach, as a step of its form: the services that it may ask people for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from agents.admin.agents import AgentAdmin
from agents.admin.forms import AgentForm, Consequence
from agents.admin.shared import actor_of
from agents.models import Agent, WorkloadIdentity
from vault.asked.scopes import in_words
from vault.holdings.reach import Reach, providers_open_to
from vault.models import CredentialProvider
from vault.providers.services import providers_open

_CHANGES = "vault.change_credentialprovider"


class _Services(forms.ModelMultipleChoiceField[CredentialProvider]):
    """Providers to tick, each with what it gives access to."""

    def label_from_instance(self, obj: Any) -> str:
        """Return the name of the provider, and what its scopes are about in words."""
        scopes = in_words(obj.scope_words, obj.scope_words)
        told = "; ".join(scope.words or scope.name for scope in scopes)
        return f"{obj.display_name}: {told}" if told else str(obj.display_name)


class ReachForm(AgentForm):
    """An agent, and the services that it may ask people for."""

    services = _Services(
        label=_("Services"),
        queryset=CredentialProvider.objects.none(),
        required=False,
        # What stood there when the page was made: what somebody else changed since stays.
        show_hidden_initial=True,
        widget=forms.CheckboxSelectMultiple,
        help_text=_(
            "It may ask people for these, and has nothing of them until a person says yes. "
            "Services that are open to every agent are not listed."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offered: Any = self.fields["services"]
        offered.queryset = _listed()
        if not self.instance._state.adding:
            offered.initial = list(_listed().filter(workloads__agent=self.instance))

    def changes(self) -> tuple[list[CredentialProvider], list[CredentialProvider]]:
        """Return which services were ticked on the page, and which were unticked."""
        data: Any = self.data
        stood = set(data.getlist(self.add_initial_prefix("services")))
        before = {each for each in _listed() if str(each.pk) in stood}
        ticked = set(self.cleaned_data["services"])
        return list(ticked - before), list(before - ticked)

    def consequences(self) -> Sequence[Consequence]:
        """Return which services it could ask people for, and which no longer, by name."""
        opened, closed = self.changes()
        now = providers_open_to(self.instance.workload_identity)
        known = {each.provider for each in now}
        told = [
            (
                gettext("It could ask people for"),
                [str(each) for each in opened if each not in known],
                "",
            ),
            (
                gettext("It could not ask people any more for"),
                [_said_of(each) for each in now if each.provider in closed],
                gettext("What they connected stays theirs, and the agent gets no token for it."),
            ),
        ]
        return [Consequence(said, tuple(sorted(of)), help) for said, of, help in told if of]


class ReachesServices(AgentAdmin):
    """Agents, and what they may reach."""

    def get_form(
        self, request: HttpRequest, obj: Agent | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Return the form, with services for an admin who may change those."""
        if request.user.has_perm(_CHANGES):
            kwargs.setdefault("form", ReachForm)
        return super().get_form(request, obj, change=change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Agent | None = None) -> Any:
        """Return the fieldsets, with that of the services behind the steps before it."""
        shown = list(super().get_fieldsets(request, obj))
        if request.user.has_perm(_CHANGES):
            at = 1 + next(
                n for n, (_name, of) in enumerate(shown) if "allowed_users" in of["fields"]
            )
            shown.insert(at, (_("4. What it may reach"), {"fields": ("services",)}))
        return tuple(shown)

    def save_model(self, request: HttpRequest, obj: Agent, form: Any, change: bool) -> None:
        """Store the agent, then what it may reach, in the one transaction of the request."""
        super().save_model(request, obj, form, change)
        if isinstance(form, ReachForm):
            opened, closed = form.changes()
            workload = WorkloadIdentity.objects.get(agent=obj.pk)
            providers_open(to=workload, opened=opened, closed=closed, actor=actor_of(request))


def _said_of(open_now: Reach) -> str:
    number = open_now.connected
    if not number:
        return open_now.provider.display_name
    connected = ngettext("%(number)d person connected it", "%(number)d people connected it", number)
    return f"{open_now.provider.display_name}: {connected % {'number': number}}"


def _listed() -> QuerySet[CredentialProvider]:
    return CredentialProvider.objects.filter(any_workload=False).order_by("display_name", "pk")
