"""Webhooks on the admin site: for whoever may, with a secret that is on one page, once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from core.models import AuditEvent, User
from tests.vault.conftest import events
from tests.vault.webhook_parts import endpoint_at, listening, put
from tests.vault.webhook_receiver import Receiver, Says, receiving
from vault.models import EventType, WebhookDelivery, WebhookEndpoint
from vault.webhooks import delivering

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "admin:vault_webhookendpoint_changelist"
ADD = "admin:vault_webhookendpoint_add"
DELIVERIES = "admin:vault_webhookdelivery_changelist"


@pytest.fixture
def there() -> Iterator[Receiver]:
    """The receiver's side."""
    with receiving() as receiver:
        yield receiver


def only(bob: User, *codenames: str) -> None:
    """Let bob do nothing but what is named."""
    bob.is_superuser = False
    bob.save(update_fields=["is_superuser"])
    bob.user_permissions.set(Permission.objects.filter(codename__in=codenames))


def page_of(row: WebhookEndpoint | WebhookDelivery, view: str = "change") -> str:
    return reverse(f"admin:{row._meta.label_lower.replace('.', '_')}_{view}", args=[row.pk])


def shown(admin: Client, url: str) -> str:
    return str(admin.get(url, follow=True).content.decode())


def pressed(admin: Client, row: WebhookEndpoint | WebhookDelivery, view: str) -> str:
    return str(admin.post(page_of(row, view), follow=True).content.decode())


def typed(url: str, *types: EventType, **changed: Any) -> dict[str, Any]:
    return {"url": url, "description": "Alerts", "event_types": list(types), "enabled": "on"} | (
        changed
    )


def secret_on(page: str) -> str:
    [secret] = re.findall(r"whsec_[A-Za-z0-9+/=]+", page)
    return str(secret)


def test_the_secret_is_on_the_page_that_answers_and_on_no_other(
    admin: Client, there: Receiver, bob: User
) -> None:
    answer = admin.post(reverse(ADD), typed(there.url, EventType.GRANTED, EventType.REVOKED))

    secret = secret_on(answer.content.decode())
    assert "no-store" in answer["Cache-Control"]
    endpoint = WebhookEndpoint.objects.get()
    assert endpoint.secret().reveal() == secret
    assert endpoint.event_types == ["grant.granted", "grant.revoked"]
    for url in (page_of(endpoint), page_of(endpoint, "history"), reverse(LIST)):
        assert "whsec_" not in shown(admin, url)
    [record] = events("admin.webhook.added")
    assert (record.actor, record.subject_sub) == ("Bob", bob.sub)
    assert record.detail["events"] == ["grant.granted", "grant.revoked"]
    assert secret not in str(AuditEvent.objects.values())


@pytest.mark.parametrize(
    "url, why",
    [
        ("https://10.0.0.1/", "is not a public address"),
        ("http://hooks.example/", "over https only"),
        ("not a url", "not an http or https URL"),
    ],
)
def test_an_address_that_may_not_be_sent_to_is_refused_in_words(
    url: str, why: str, admin: Client
) -> None:
    page = admin.post(reverse(ADD), typed(url, EventType.GRANTED)).content.decode()

    assert why in page
    assert not WebhookEndpoint.objects.exists()


def test_an_endpoint_without_an_event_is_refused(admin: Client, there: Receiver) -> None:
    page = admin.post(reverse(ADD), typed(there.url)).content.decode()

    assert "This field is required." in page
    assert not WebhookEndpoint.objects.exists()


def test_an_edit_keeps_the_secret_and_is_on_record(admin: Client, there: Receiver) -> None:
    endpoint, secret = listening(there)

    admin.post(page_of(endpoint), typed(there.url + "2", EventType.GRANTED, description="Other"))

    endpoint.refresh_from_db()
    assert (endpoint.description, endpoint.event_types) == ("Other", ["grant.granted"])
    assert endpoint.secret() == secret
    [record] = events("admin.webhook.changed")
    assert record.detail["url_changed"] is True
    assert "an-address-nobody-guesses" not in str(record.detail)


def test_a_test_event_says_what_came_of_it(admin: Client, there: Receiver) -> None:
    endpoint, _ = listening(there)
    there.answers += [Says(204), Says(500)]

    assert "was accepted: status 204" in pressed(admin, endpoint, "test")
    refused = pressed(admin, endpoint, "test")
    assert "was not accepted: status 500" in refused
    assert "webhook.test" in refused  # among the recent deliveries


def test_a_test_event_that_does_not_arrive_says_why(admin: Client) -> None:
    endpoint, _ = endpoint_at("http://127.0.0.1:9/")

    assert "did not arrive: nothing answers there" in pressed(admin, endpoint, "test")


def test_a_secret_is_rotated_on_its_page_and_the_old_one_ended(
    admin: Client, there: Receiver
) -> None:
    endpoint, old = listening(there)

    page = pressed(admin, endpoint, "rotate")
    new = secret_on(page)
    assert new != old.reveal()
    assert "The old secret signs as well until" in page
    assert "End the old secret" in shown(admin, page_of(endpoint))
    refused = pressed(admin, endpoint, "rotate")
    assert "The old secret is still in use" in refused
    assert "whsec_" not in refused

    assert "The old secret signs no more." in pressed(admin, endpoint, "end_old")
    endpoint.refresh_from_db()
    assert [each.reveal() for each in endpoint.secrets(at=endpoint.updated_at)] == [new]
    assert "Rotate the secret" in shown(admin, page_of(endpoint))


def test_deliveries_are_looked_at_and_sent_again(admin: Client, there: Receiver) -> None:
    endpoint, _ = listening(there)
    there.answers += [Says(410)]
    [row] = put(endpoint)
    delivering.deliver_due(for_s=10)
    listed = shown(admin, reverse(DELIVERIES))
    for word in ("given up", "410", "grant.granted"):
        assert word in listed
    [leads] = re.findall(r'href="([^"]+)">All deliveries', shown(admin, page_of(endpoint)))
    assert admin.get(leads).status_code == 200
    page = shown(admin, page_of(row))
    assert row.message_id in page
    assert "Send again" in page

    assert "not sent" in pressed(admin, row, "resend")  # it is switched off
    WebhookEndpoint.objects.update(enabled=True, ended="")
    assert "is sent again in a moment" in pressed(admin, row, "resend")
    delivering.deliver_due(for_s=10)

    row.refresh_from_db()
    assert row.state == "accepted"
    assert "Send again" not in shown(admin, page_of(row))


def test_several_are_sent_again_from_the_list(admin: Client, there: Receiver) -> None:
    endpoint, _ = listening(there)
    rows = put(endpoint, count=3)
    WebhookDelivery.objects.update(state="failed", next_attempt_at=None)
    chosen = {"action": "resend_selected", "_selected_action": [str(row.pk) for row in rows[:2]]}

    page = admin.post(reverse(DELIVERIES), chosen, follow=True).content.decode()

    assert page.count("is sent again in a moment") == 2
    assert WebhookDelivery.objects.filter(state="waiting").count() == 2


def test_an_endpoint_that_fails_says_since_when(admin: Client, there: Receiver) -> None:
    listening(there)
    WebhookEndpoint.objects.update(failing_since="2026-01-02T03:04:05Z")

    page = shown(admin, reverse(LIST))

    assert "failing" in page
    assert "2026-01-02 03:04:05" in page


def test_an_endpoint_is_switched_off_and_its_end_stays_known(
    admin: Client, there: Receiver
) -> None:
    endpoint, _ = listening(there)
    off = typed(there.url, EventType.GRANTED)
    del off["enabled"]
    WebhookEndpoint.objects.update(enabled=False, ended="webhook_gone")

    admin.post(page_of(endpoint), off)

    endpoint.refresh_from_db()
    assert (endpoint.enabled, endpoint.ended) == (False, "webhook_gone")


def test_a_delivery_is_found_by_the_id_that_its_receiver_tells(
    admin: Client, there: Receiver
) -> None:
    endpoint, _ = listening(there)
    sought, other = put(endpoint, count=2)

    def found(said: str) -> str:
        return shown(admin, reverse(DELIVERIES) + f"?q={said}")

    assert page_of(sought) in found(sought.message_id)
    assert page_of(other) not in found(sought.message_id)
    assert "Nothing fits this search." in found("msg_nothing")


def test_an_endpoint_that_was_stopped_is_told_of_on_the_first_page(
    admin: Client, there: Receiver, bob: User
) -> None:
    endpoint, _ = listening(there)
    index = reverse("admin:index")
    assert "is switched off" not in shown(admin, index)
    WebhookEndpoint.objects.update(enabled=False, ended="webhook_failing")

    said = shown(admin, index)
    assert "The webhook “Alerts” is switched off: nothing was accepted for three days." in said
    assert page_of(endpoint) in said
    assert "stopped" in shown(admin, reverse(LIST))
    only(bob, "view_grant")
    assert "is switched off" not in shown(admin, index)


def test_an_empty_list_says_what_a_webhook_is_for(admin: Client) -> None:
    assert "Nobody is told of anything yet." in shown(admin, reverse(LIST))
    assert "Nothing was sent yet." in shown(admin, reverse(DELIVERIES))


def test_deleting_says_what_goes_and_is_on_record(admin: Client, there: Receiver) -> None:
    endpoint, _ = listening(there)
    put(endpoint, count=2)

    assert "2 deliveries, sent or not" in shown(admin, page_of(endpoint, "delete"))
    admin.post(page_of(endpoint, "delete"), {"post": "yes"})

    assert not WebhookEndpoint.objects.exists()
    assert len(events("admin.webhook.deleted")) == 1


@pytest.mark.parametrize("may", ["view_webhookendpoint", "view_webhookdelivery", "view_grant"])
def test_whoever_may_only_look_changes_and_sends_nothing(
    may: str, admin: Client, there: Receiver, bob: User
) -> None:
    endpoint, secret = listening(there)
    [row] = put(endpoint)
    WebhookDelivery.objects.update(state="failed", next_attempt_at=None)
    only(bob, may)
    before = (WebhookEndpoint.objects.values().get(), WebhookDelivery.objects.values().get())

    for view in ("test", "rotate", "end_old"):
        assert admin.post(page_of(endpoint, view)).status_code == 403
    assert admin.post(page_of(row, "resend")).status_code == 403
    assert admin.post(page_of(endpoint), typed(there.url)).status_code == 403
    assert admin.post(page_of(endpoint, "delete"), {"post": "yes"}).status_code == 403
    assert admin.post(reverse(ADD), typed(there.url, EventType.GRANTED)).status_code == 403
    chosen = {"action": "resend_selected", "_selected_action": [str(row.pk)]}
    admin.post(reverse(DELIVERIES), chosen)

    after = (WebhookEndpoint.objects.values().get(), WebhookDelivery.objects.values().get())
    assert after == before
    assert there.received == []
    assert endpoint.secret() == secret
    assert AuditEvent.objects.filter(action__startswith="admin.webhook").count() == 1


def test_a_button_is_no_link(admin: Client, there: Receiver) -> None:
    endpoint, _ = listening(there)
    [row] = put(endpoint)

    for view in ("test", "rotate", "end_old"):
        assert admin.get(page_of(endpoint, view)).status_code == 405
    assert admin.get(page_of(row, "resend")).status_code == 405
    assert there.received == []


def test_a_button_of_what_is_not_there_is_not_there_either(admin: Client) -> None:
    nobody = WebhookEndpoint(url="https://hooks.example/")

    assert admin.post(page_of(nobody, "test")).status_code == 404
