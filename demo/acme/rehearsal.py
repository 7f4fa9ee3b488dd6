"""Behind the scenes, for tests and demonstrations: the ledger, faults to order, another address.

Without `ACME_LEDGER_KEY` in the environment these addresses do not exist.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps

from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST, require_safe

from demo.acme import environment, faults
from demo.acme.models import Client, LedgerEntry

View = Callable[[HttpRequest], HttpResponse]


def needs_ledger_key(view: View) -> View:
    """Let only the holder of the ledger key in; where there is no key, nobody."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponse:
        if not environment.LEDGER_KEY:
            raise Http404
        given = request.headers.get("Authorization", "")
        if not constant_time_compare(given, f"Bearer {environment.LEDGER_KEY}"):
            return JsonResponse(
                {"error": "unauthorized"}, status=401, headers={"WWW-Authenticate": "Bearer"}
            )
        return view(request)

    return guarded


@require_safe
@needs_ledger_key
def ledger(request: HttpRequest) -> HttpResponse:
    """List the calls of the token endpoint, oldest first, from the id `after` on."""
    after = request.GET.get("after", "0")
    if not after.isdecimal():
        return JsonResponse({"error": "after is not a number"}, status=400)
    entries = LedgerEntry.objects.filter(pk__gt=int(after)).order_by("pk")
    counts: dict[str, dict[str, int]] = {}
    for grant_type, outcome, calls in (
        entries.order_by().values_list("grant_type", "outcome").annotate(Count("pk"))
    ):
        counts.setdefault(grant_type, {})[outcome] = calls
    rows = [
        {
            "id": entry.pk,
            "at": entry.at.isoformat(),
            "grant_type": entry.grant_type,
            "outcome": entry.outcome,
            "family": str(entry.family) if entry.family else None,
        }
        for entry in entries
    ]
    return JsonResponse({"counts": counts, "rows": rows})


@csrf_exempt  # the key is in a header, and there is no cookie in this
@require_POST
@needs_ledger_key
def order_faults(request: HttpRequest) -> HttpResponse:
    """Arm `count` faults of a `kind` for the token endpoint, in place of those armed before.

    `seconds` is how late a slow answer comes, or what a 429 says in `Retry-After`.
    """
    try:
        asked = json.loads(request.body)
        kind, count = str(asked["kind"]), int(asked["count"])
        seconds = int(asked.get("seconds", 1))
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"error": "kind and count are needed"}, status=400)
    if kind not in faults.KINDS:
        return JsonResponse({"error": "kind", "known": sorted(faults.KINDS)}, status=400)
    if not 0 <= count <= faults.MAX_COUNT or not 0 <= seconds <= faults.MAX_SECONDS:
        return JsonResponse({"error": "count or seconds out of range"}, status=400)
    return JsonResponse({"armed": faults.arm(faults.Fault(kind, seconds), count=count)})


@csrf_exempt  # as above
@require_POST
@needs_ledger_key
def redirect_uri_add(request: HttpRequest) -> HttpResponse:
    """Let consent end at one more address, as a developer has it in a provider's own console.

    The next start of Acme forgets it.
    """
    client = Client.objects.get(client_id=environment.CLIENT_ID)
    client.redirect_uris = [*client.redirect_uris, request.POST["redirect_uri"]]
    client.save(update_fields=["redirect_uris"])
    return JsonResponse({"redirect_uris": client.redirect_uris})
