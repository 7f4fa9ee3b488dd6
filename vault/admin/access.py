"""“Who may do what” on the admin site: of a person, an agent, a provider, and by which rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest, HttpResponseNotAllowed
from django.http.response import HttpResponseBase
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext_lazy as _
from django_stubs_ext import StrOrPromise

from agents.access import Opening, Rule, Step, access_of, people_of
from agents.admin.shared import DeclaredAdmin
from agents.models import Agent, ResourcePolicy
from core.models import User
from vault.holdings.reach import providers_open_to, services_of, workloads_of
from vault.models import CredentialProvider
from vault.resources import of_oauth2_provider

_Row = TypeVar("_Row", bound=Model)
_Shown = Callable[[HttpRequest, Any], dict[str, Any]]
_PEOPLE_ON_A_PAGE = 100
# What each of the pages tells of, whichever row it is about.
TELLS_OF = ("agents.view_agent", "core.view_user", "vault.view_grant")

_REFUSED: Mapping[Step, StrOrPromise] = {
    "account": _("the account is switched off"),
    "users": _("no rule opens it to them"),
    "agent": _("the agent is switched off"),
    "workload": _("its workload identity is switched off"),
}


class ShowsAccess(DeclaredAdmin[_Row]):
    """Rows with a page of what they may do, or who may do it with them."""

    def get_urls(self) -> list[URLPattern]:
        """Return the stock URLs, and that of the page."""
        name = f"{self.opts.app_label}_{self.opts.model_name}_access"
        view = self.admin_site.admin_view(partial(_access, self))
        return [path("<path:object_id>/access/", view, name=name), *super().get_urls()]


def _access(page: ShowsAccess[Any], request: HttpRequest, object_id: str) -> HttpResponseBase:
    """Show the effective access of a row's, and the rule that gives it."""
    may = page.has_view_permission(request) and request.user.has_perms(TELLS_OF)
    row = page.row_to_act_on(request, object_id, may=may)
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET"])
    kind, shown = _PAGES[page.model]
    context = {
        **page.told_of(request, row, title=_("Who may do what")),
        **shown(request, row),
    }
    return TemplateResponse(request, f"admin/access/{kind}.html", context)


def _of_person(request: HttpRequest, person: User) -> dict[str, Any]:
    """Return each agent with whether the person may use it, and what it may ask them for."""
    found = access_of(person)
    services = services_of(
        [each.agent.workload_identity_id for each in found], subject=person.subject
    )
    narrowed = _narrowed({each.agent.arn for each in found})
    return {
        "agents": [
            {
                "agent": each.agent,
                "may": each.refused_at is None,
                "because": [_worded(rule) for rule in each.rules],
                "refused": _REFUSED[each.refused_at] if each.refused_at else "",
                "narrowed": each.agent.arn in narrowed,
                "services": services.get(each.agent.workload_identity_id, ()),
            }
            for each in found
        ]
    }


def _of_agent(request: HttpRequest, agent: Agent) -> dict[str, Any]:
    """Return the people whom the agent is open to, its callers, and what it may ask people for."""
    opening, words = Opening.of(agent), request.GET.get("q", "").strip()[:100]
    people = people_named(people_of(opening), words)
    shown = Paginator(people, _PEOPLE_ON_A_PAGE).get_page(request.GET.get("p"))
    newest = agent.versions.order_by("-number").first()
    return {
        "is_on": agent.enabled and agent.workload_identity.enabled,
        "q": words,
        "page": shown,
        "people": [(each, [_worded(rule) for rule in opening.rules_for(each)]) for each in shown],
        "version": newest,
        "narrowed": bool(_narrowed({agent.arn})),
        "reach": providers_open_to(agent.workload_identity),
    }


def _of_provider(request: HttpRequest, provider: CredentialProvider) -> dict[str, Any]:
    """Return the agents that may ask people for the provider."""
    return {
        "reach": workloads_of(provider),
        "narrowed": bool(_narrowed(set(of_oauth2_provider(provider.name)))),
    }


_PAGES: Mapping[type[Model], tuple[str, _Shown]] = {
    User: ("person", _of_person),
    Agent: ("agent", _of_agent),
    CredentialProvider: ("provider", _of_provider),
}


def people_named(people: QuerySet[User], words: str) -> QuerySet[User]:
    """Return those of `people` whom the words of a search mean; without words, all."""
    if not words:
        return people
    return people.filter(Q(name__icontains=words) | Q(email__icontains=words) | Q(sub=words))


def _narrowed(arns: set[str]) -> set[str]:
    """Return those of which a resource policy says more, which depends on the single call."""
    return set(
        ResourcePolicy.objects.filter(resource_arn__in=arns).values_list("resource_arn", flat=True)
    )


def _worded(rule: Rule) -> StrOrPromise:
    if rule.kind == "group":
        return _("member of “%(group)s”") % {"group": rule.group}
    return _("open to everyone") if rule.kind == "everyone" else _("named there")
