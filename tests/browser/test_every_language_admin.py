"""What admins do in both languages, on a desktop and on a phone, in both themes.

The rules of each page are told beside its own code; here an admin goes through them by the words
of the language that the page is in.
"""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import Locator, expect

from tests.browser.in_words import Visit
from tests.browser.people import PATIENCE_MS, QUESTION


@pytest.fixture
def admin(visitor: Visit) -> Visit:
    visitor.sign_in("alice")
    return visitor


def open_list(admin: Visit, of: str) -> None:
    admin.page.goto(f"{admin.world.url}/admin/{of}/")


def choose_action(admin: Visit, words: str, row: Locator) -> None:
    """Tick a row of the list that is shown, and do the action of these words to it."""
    row.get_by_role("checkbox").check()
    admin.page.locator("select[name=action]").select_option(label=admin.words(words))
    admin.page.locator("button[name=index]").click()


def test_each_number_of_the_first_page_leads_to_its_list(admin: Visit) -> None:
    page = admin.page
    page.goto(f"{admin.world.url}/admin/")
    shown = page.locator(".overview")
    expect(shown.get_by_role("heading", name=admin.words("Now"), exact=True)).to_be_visible()
    assert shown.locator("svg").count() >= 3
    admin.fits()

    # Where nobody called an agent yet, it leads to the chat as well.
    links = shown.locator("a[href^='/admin/']").all()
    lists = {str(link.get_attribute("href")) for link in links}
    assert len(lists) > 10
    for address in sorted(lists):
        answer = page.goto(admin.world.url + address)
        assert answer is not None
        assert answer.status == 200, address
        expect(page.locator("#changelist, #content-main form").first).to_be_visible()
    page.goto(f"{admin.world.url}/admin/")
    page.locator(".spans a").last.click()
    expect(page.locator(".spans [aria-current=true]")).to_have_count(1)
    assert admin.complaints == []


def test_a_copied_agent_is_opened_rolled_back_and_switched_off(admin: Visit) -> None:
    page, name = admin.page, f"copy_{admin.language}_{admin.width}"
    open_list(admin, "agents/agent")
    page.get_by_role("link", name="Greeter").first.click()
    admin.link("Copy").click()
    page.locator("#id_name").fill(name)
    page.locator("#id_display_name").fill(name)
    page.locator("[name=_save]").click()

    page.locator("#id_allow_everyone").check()
    page.locator("#id_allowed_scopes").fill("calendar")
    admin.press("See what would change")
    admin.reads("Nothing is saved yet.")
    expect(page.locator(".people")).to_contain_text("Alice Adams")
    admin.reads("A new version says")
    admin.fits()
    admin.press("Save")
    admin.link("Versions").click()
    admin.link("Roll back to version %(number)s", number="1").click()
    expect(page.locator("ins").first).to_contain_text(admin.words("nothing"))
    admin.fits()
    admin.press("Roll back")
    expect(page.locator("ol.versions > li")).to_have_count(3)

    page.locator(".breadcrumbs").get_by_role("link", name=name).click()
    page.locator("#id_enabled").uncheck()
    admin.press("See what would change")
    expect(page.locator(".people")).to_contain_text("Alice Adams")
    admin.press("Save")
    admin.link("As a person sees it").click()
    page.get_by_role("link", name="Alice Adams").click()
    admin.reads("The agent or its workload identity is switched off.")
    assert admin.complaints == []


def test_it_is_said_who_may_do_what_and_by_which_rule(admin: Visit) -> None:
    page = admin.page
    open_list(admin, "core/user")
    page.locator("#result_list").get_by_role("link", name="Bob Brown").first.click()
    admin.link("Who may do what").click()
    greeter = page.get_by_role("row").filter(has_text="Greeter").first
    expect(greeter).to_contain_text(admin.words("yes"))
    expect(greeter.locator(".rule").first).not_to_be_empty()
    admin.fits()
    page.get_by_role("rowheader").get_by_role("link", name="Concierge").click()
    admin.reads("What it may ask people for")
    expect(page.get_by_role("row").filter(has_text="Bob Brown")).to_contain_text("staff")
    admin.fits()
    page.get_by_role("rowheader").get_by_role("link", name="Acme Calendar").click()
    admin.reads("Who may ask people for it")
    expect(page.get_by_role("row").filter(has_text="Concierge")).to_be_visible()
    admin.fits()
    assert admin.complaints == []


def test_a_call_through_other_agents_is_drawn_from_the_person_to_the_service(admin: Visit) -> None:
    page = admin.page
    admin.disconnect_all()
    admin.choose("Planner")
    admin.ask("When am I free today?")
    admin.reads(
        "%(agent)s asks to use %(provider)s on your behalf",
        agent="Calendar tools",
        provider="Acme Calendar",
    )
    admin.decide("alice")
    admin.is_done()

    open_list(admin, "core/auditevent")
    page.locator("#searchbar").fill("vault.token")
    page.keyboard.press("Enter")
    told = page.locator("#result_list tbody tr").filter(has_text="Scheduler").first
    told.get_by_role("link").first.click()
    chain = page.locator(".chain li")
    expect(chain).to_have_count(5)
    drawn = chain.all_inner_texts()
    for step, name in zip(
        drawn,
        ("Alice Adams", "Planner", "Scheduler", "Calendar tools", "acme-calendar"),
        strict=True,
    ):
        assert name in step
    admin.fits()
    admin.disconnect_all()
    assert admin.complaints == []


def test_a_provider_is_added_by_its_vendor_and_says_what_is_wrong(admin: Visit) -> None:
    page, name = admin.page, f"mine-{admin.language}-{admin.width}"
    open_list(admin, "vault/credentialprovider/add")
    page.locator("#vendor").select_option("CustomOauth2")
    admin.press("Continue")
    admin.fits()
    page.locator("#id_name").fill(name)
    page.locator("#id_display_name").fill(name)
    page.locator("#id_client_id").fill("nobody")
    page.locator("#id_client_secret").fill("a secret that is wrong")
    page.locator("#id_discovery_url").fill(
        f"{admin.world.acme_url}/.well-known/oauth-authorization-server"
    )
    page.locator("[name=_save]").click()

    admin.reads("Register the callback URL below at the provider, then test.")
    admin.context.grant_permissions(["clipboard-read", "clipboard-write"])
    admin.press("Copy")
    callback = page.evaluate("navigator.clipboard.readText()")
    assert callback.startswith(f"{admin.world.url}/identities/oauth2/callback/")
    expect(page.get_by_text(callback)).to_be_visible()
    admin.press("Test")
    expect(page.locator(".messagelist, .findings")).to_contain_text(admin.world.acme_url)
    admin.fits()
    page.go_back()
    admin.link("Who may do what").click()
    admin.fits()
    assert admin.complaints == []


def test_the_trail_is_narrowed_read_and_taken_away(admin: Visit) -> None:
    page = admin.page
    open_list(admin, "core/auditevent")
    page.locator("#searchbar").fill("signed_in")
    page.keyboard.press("Enter")
    found = page.locator("#result_list tbody tr")
    expect(found.first).to_be_visible()
    admin.fits()
    for form in ("JSON Lines", "CSV", "OCSF"):
        with page.expect_download() as saved:
            page.get_by_role("button", name=form, exact=True).click()
        lines = saved.value.path().read_text().splitlines()
        assert lines
        if form != "CSV":
            assert all(json.loads(line) for line in lines)
    found.first.get_by_role("link").first.click()
    expect(page.locator("#content-main")).to_be_visible()
    admin.fits()
    assert admin.complaints == []


def test_what_somebody_granted_is_revoked_and_they_are_asked_again(admin: Visit) -> None:
    page = admin.page
    admin.disconnect_all()
    admin.choose("Concierge")
    admin.ask(QUESTION)
    admin.decide("alice")
    admin.is_done()

    page.goto(f"{admin.world.url}/admin/vault/grant/?state__exact=live")
    row = page.locator("#result_list tbody tr").filter(has_text="Alice Adams")
    choose_action(admin, "Revoke the selected grants", row)
    admin.reads("Revoke")
    admin.fits()
    admin.press("Revoke")
    expect(page.locator(".messagelist")).to_be_visible(timeout=PATIENCE_MS)
    page.goto(f"{admin.world.url}/connections/")
    expect(admin.button("Disconnect")).to_have_count(0)
    admin.choose("Concierge")
    admin.ask(QUESTION)
    admin.reads(
        "%(agent)s asks to use %(provider)s on your behalf",
        agent="Concierge",
        provider="Acme Calendar",
    )
    admin.press("Stop")
    assert admin.complaints == []


def test_a_session_is_stopped_and_a_key_issued_and_revoked(admin: Visit) -> None:
    page = admin.page
    admin.choose("Greeter")
    admin.ask("Count to 1000")
    expect(admin.answer).to_contain_text("1 2 3", timeout=PATIENCE_MS)
    conversation = page.url

    open_list(admin, "agents/runtimesession")
    live = page.locator("#result_list tbody tr").filter(has_text="Greeter").first
    choose_action(admin, "Stop the selected sessions", live)
    admin.fits()
    admin.press("Stop")
    page.goto(conversation)
    admin.is_done()

    open_list(admin, "agents/accesskey/add")
    page.locator("#id_label").fill(f"ci {admin.language} {admin.width}")
    page.locator("[name=kind][value=operator]").check()
    page.get_by_role("checkbox", name="ListGrants", exact=True).check()
    page.locator("[name=_save]").click()
    admin.reads(
        "This is the only time that the secret is shown. Copy these lines to where the key is used."
    )
    expect(page.locator("#environment")).to_contain_text(re.compile("AWS_SECRET_ACCESS_KEY=.{20}"))
    admin.fits()
    admin.link("Done").click()
    page.get_by_role("link", name=f"ci {admin.language} {admin.width}").click()
    expect(page.get_by_text("AWS_SECRET_ACCESS_KEY")).to_have_count(0)
    admin.link("Revoke").click()
    admin.press("Revoke for good")
    expect(page.locator(".messagelist")).to_be_visible()
    assert admin.complaints == []
