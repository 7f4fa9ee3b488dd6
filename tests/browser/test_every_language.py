"""The journey in both languages, on a desktop and on a phone, in both themes.

What each part of it does is told in the other files; here it is done by the words of the language
that the page is in, so that no step hangs on English, on room, or on light.
"""

from __future__ import annotations

import json
import re

from playwright.sync_api import Browser, FilePayload, expect

from tests.browser.in_words import Visit
from tests.browser.people import PATIENCE_MS, QUESTION
from tests.browser.visits import LOCALES

NOTES: FilePayload = {"name": "notes.md", "mimeType": "text/markdown", "buffer": b"# Milk"}


def test_bob_attaches_a_file_judges_stops_and_asks_in_other_words(visit: Visit) -> None:
    visit.sign_in("bob")

    visit.choose("Greeter")
    with visit.page.expect_file_chooser() as chosen:
        visit.press("Attach files")
    chosen.value.set_files([NOTES])
    expect(visit.page.get_by_role("listitem").filter(has_text="notes.md")).to_be_visible()
    expect(visit.page.get_by_role("progressbar")).to_have_count(0)
    visit.ask("Look")
    expect(visit.answer).to_contain_text("notes.md (6 bytes)", timeout=PATIENCE_MS)
    visit.is_done()
    visit.fits()
    visit.press("Good answer")
    expect(visit.button("Good answer").last).to_have_attribute("aria-pressed", "true")
    visit.ask("Count to 1000")
    expect(visit.answer).to_contain_text("1 2 3", timeout=PATIENCE_MS)
    visit.press("Stop")
    visit.reads("You stopped this answer.")
    visit.press("Edit")
    visit.page.get_by_label(visit.words("Message in other words")).last.fill("Count to 3")
    here = visit.page.url
    visit.press("Ask")
    expect(visit.page).not_to_have_url(here)
    expect(visit.answer).to_contain_text("1 2 3", timeout=PATIENCE_MS)
    visit.is_done()
    assert visit.complaints == []


def test_bob_connects_approves_and_takes_it_back(visit: Visit) -> None:
    visit.sign_in("bob")
    visit.disconnect_all()

    visit.page.goto(visit.world.url)
    card = visit.main.get_by_role("link", name=re.compile("^Concierge"))
    expect(card).to_contain_text("Looks into your Acme calendar")
    expect(card).to_contain_text(visit.words("May ask you for"))
    expect(card).to_contain_text("Acme Calendar")
    visit.choose("Concierge")
    visit.ask(QUESTION)
    visit.reads(
        "%(agent)s asks to use %(provider)s on your behalf",
        agent="Concierge",
        provider="Acme Calendar",
    )
    visit.fits()
    visit.decide("bob", allow=False)
    visit.reads(
        "You did not allow %(agent)s to use %(provider)s. Nothing was connected.",
        agent="Concierge",
        provider="Acme Calendar",
    )
    visit.is_done()
    visit.ask(QUESTION)
    visit.decide("bob")
    visit.reads("Connected to %(provider)s", provider="Acme Calendar")
    visit.is_done()
    expect(visit.answer.get_by_role("table")).to_be_visible()
    line = visit.answer.locator("summary")
    expect(line).to_contain_text("List calendar events")
    line.click()
    about = visit.answer.locator("details")
    for words in (visit.words("Called with"), "Acme Calendar", "calendar.read"):
        expect(about).to_contain_text(words)
    visit.fits()

    visit.choose("Planner")
    visit.ask("Remind me to call the bank")
    visit.reads("%(agent)s asks for your approval", agent="Planner")
    visit.fits()
    visit.press("Approve")
    visit.reads("You approved this.")
    visit.is_done()

    visit.go("Connections")
    visit.reads("Connected")
    visit.reads("Last used")
    expect(visit.link("in “%(title)s”", title=QUESTION).first).to_be_visible()
    visit.fits()
    visit.disconnect_all()
    visit.go("Activity")
    expect(visit.main).to_contain_text("Acme Calendar")
    expect(visit.main.locator("time").first).not_to_contain_text("UTC")
    approved = visit.words("You approved what {agent} asked for").format(agent="Planner")
    expect(visit.main.get_by_text(approved).first).to_be_visible()
    visit.fits()
    visit.open_menu()
    visit.press("Sign out")
    expect(visit.button("Sign out")).to_have_count(0)
    assert visit.complaints == []


def test_a_request_that_nobody_waits_for_any_more_leads_nowhere(visit: Visit) -> None:
    visit.sign_in("bob")
    visit.disconnect_all()
    visit.choose("Concierge")
    visit.ask(QUESTION)
    link = visit.main.get_by_role("link", name=visit.words("Connect"), exact=True)
    address = str(link.get_attribute("href", timeout=PATIENCE_MS))
    visit.press("Stop")
    visit.reads("You stopped this answer.")
    expect(link).to_have_count(0)

    visit.page.goto(address)

    visit.reads("This request was closed")
    assert visit.page.url.startswith(visit.world.url)
    visit.fits()
    assert visit.complaints == []


def test_not_now_ends_the_request_without_a_way_to_the_service(visit: Visit) -> None:
    visit.sign_in("bob")
    visit.disconnect_all()
    visit.choose("Concierge")
    visit.ask(QUESTION)

    visit.press("Not now")

    visit.is_done()
    visit.reads(
        "You did not allow %(agent)s to use %(provider)s. Nothing was connected.",
        agent="Concierge",
        provider="Acme Calendar",
    )
    visit.fits()
    visit.page.goto(f"{visit.world.url}/connections/activity/")
    said = visit.words("You did not let {agent} use {provider}")
    expect(visit.main).to_contain_text(said.format(agent="Concierge", provider="Acme Calendar"))
    assert visit.complaints == []


def test_so_many_answers_are_made_at_once_and_no_more(visit: Visit) -> None:
    visit.sign_in("bob")
    places = []
    for _ in range(5):
        visit.choose("Greeter")
        visit.ask("Count to 1000")
        expect(visit.answer).to_contain_text("1 2 3", timeout=PATIENCE_MS)
        places.append(visit.page.url)
    visit.choose("Greeter")
    visit.ask("Count to 7")

    visit.reads("You have several answers under way. Wait for one of them, or stop one.")
    written = visit.page.get_by_role("textbox", name=visit.words("Message"), exact=True)
    expect(written).to_have_value("Count to 7")
    expect(visit.page.get_by_role("article")).to_have_count(0)
    visit.fits()
    sixth = visit.page.url
    for place in places:
        visit.page.goto(place)
        visit.press("Stop")
        visit.reads("You stopped this answer.")
    visit.page.goto(sixth)
    expect(written).to_have_value("Count to 7")
    visit.press("Send")
    expect(visit.answer).to_contain_text("6 7", timeout=PATIENCE_MS)
    assert visit.complaints == []


def test_a_conversation_is_named_pinned_found_saved_deleted_and_brought_back(visit: Visit) -> None:
    visit.sign_in("bob")
    visit.choose("Greeter")
    visit.ask("Count to 5")
    visit.is_done()
    title = f"Five {visit.language} {visit.width}"

    def choose(title: str, what: str) -> None:
        visit.open_conversations()
        more = visit.words("More about {title}").format(title=title)
        visit.page.get_by_role("button", name=more, exact=True).first.click()
        visit.page.locator("#conversation-menu").get_by_text(visit.words(what), exact=True).click()

    choose("Count to 5", "Rename")
    visit.page.get_by_label(visit.words("Name"), exact=True).fill(title)
    visit.press("Save")
    expect(visit.page.locator("#title")).to_have_text(title)
    choose(title, "Pin")
    expect(visit.page.locator(".conversation").first).to_contain_text(title)
    with visit.page.expect_download() as saved:
        choose(title, "Save as Markdown")
    assert f"# {title}" in saved.value.path().read_text()
    visit.open_conversations()
    visit.page.get_by_label(visit.words("Search conversations")).fill(title)
    expect(visit.page.locator(".conversation")).to_have_count(1)
    visit.page.keyboard.press("Escape")

    choose(title, "Delete")
    said = visit.words("{title} was deleted.").format(title=title)
    expect(visit.page.locator("#toast")).to_contain_text(said)
    visit.press("Undo")
    visit.page.goto(visit.world.url)
    visit.open_conversations()
    expect(visit.page.get_by_role("link", name=title)).to_be_visible()
    assert visit.complaints == []


def test_what_is_kept_of_somebody_is_looked_at_and_taken_away(visit: Visit) -> None:
    visit.sign_in("bob")

    visit.page.goto(f"{visit.world.url}/connections/")
    visit.link("Where you are signed in").last.click()
    visit.reads("This browser")
    visit.fits()
    visit.page.goto(f"{visit.world.url}/connections/")
    visit.link("Your data").click()
    with visit.page.expect_download() as saved:
        visit.press("Download")
    assert json.loads(saved.value.path().read_text())["profile"]["name"] == "Bob Brown"
    visit.press("Delete all")
    dialog = visit.page.get_by_role("alertdialog").or_(visit.page.get_by_role("dialog"))
    expect(dialog).to_be_visible()
    visit.fits()
    visit.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    assert visit.complaints == []


def test_an_admin_registers_an_agent_in_steps_and_sees_it_as_somebody_else(visit: Visit) -> None:
    page, name = visit.page, f"second_{visit.language}_{visit.width}"
    visit.sign_in("alice")
    page.goto(f"{visit.world.url}/admin/agents/agent/")
    page.get_by_role("link", name="Greeter").click()
    runs_at = page.locator("#id_url").input_value()
    page.goto(f"{visit.world.url}/admin/agents/agent/add/")
    page.locator("#id_name").fill(name)
    page.locator("#id_display_name").fill(name.title())
    page.locator("#id_url").fill(runs_at)

    visit.press("Test where it runs")
    expect(page.get_by_text(visit.words("The agent answers and is healthy."))).to_be_visible()
    visit.press("Ask the issuer")
    expect(page.get_by_role("checkbox", name="offline_access")).to_be_visible()
    visit.fits()
    page.locator("#id_allow_everyone").check()
    page.get_by_role("checkbox", name=re.compile("^Acme Calendar")).check()
    page.locator("[name=_save]").click()
    expect(visit.link("As a person sees it")).to_be_in_viewport()
    visit.link("As a person sees it").click()
    page.get_by_role("link", name="Alice Adams").click()

    told = visit.words("%(person)s sees it", person="Alice Adams")
    expect(page.get_by_text(told)).to_be_visible()
    calendar = page.locator("dt:text-is('Acme Calendar') + dd")
    expect(calendar).to_have_text(visit.words("They are asked first, in the chat."))
    visit.fits()
    assert visit.complaints == []


def test_bob_is_shown_around_and_chooses_theme_and_language(visit: Visit) -> None:
    visit.sign_in("bob")
    page, root = visit.page, visit.page.locator("html")
    visit.press("Show me around")
    dialog = page.get_by_role("dialog")
    for title, then in (
        ("Agents act for you", "Next"),
        ("You are asked first", "Next"),
        ("You can take it back", "Done"),
    ):
        expect(dialog.get_by_role("heading", name=visit.words(title))).to_be_focused()
        visit.fits()
        dialog.get_by_role("button", name=visit.words(then), exact=True).click()
    expect(dialog).to_be_hidden()

    before = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    visit.open_menu()
    visit.press("Theme: as your system")
    visit.fits()
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != before
    other = next(each for each in LOCALES if each != visit.language)
    page.locator(f".language [lang={other}]").click()
    expect(root).to_have_attribute("lang", other)
    assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") != before
    visit.open_menu()
    page.locator(f".language [lang={visit.language}]").click()
    expect(root).to_have_attribute("lang", visit.language)
    assert visit.complaints == []


def test_what_was_typed_stays_and_an_answer_is_copied_and_asked_for_again(visit: Visit) -> None:
    visit.sign_in("bob")
    page, written = visit.page, visit.page.locator("textarea")
    visit.choose("Greeter")
    written.fill("Count to 7")
    page.reload()
    expect(written).to_have_value("Count to 7")

    visit.press("Send")
    expect(visit.answer).to_contain_text("6 7", timeout=PATIENCE_MS)
    visit.is_done()
    visit.context.grant_permissions(["clipboard-read", "clipboard-write"])
    visit.press("Copy")
    expect(page.get_by_text(visit.words("Copied"), exact=True).last).to_be_visible()
    assert "1 2 3 4 5 6 7" in page.evaluate("navigator.clipboard.readText()")

    visit.ask("Count to 1000")
    expect(visit.answer).to_contain_text("1 2 3", timeout=PATIENCE_MS)
    visit.world.kill("greeter")
    expect(visit.button("Retry")).to_be_visible(timeout=PATIENCE_MS)
    visit.is_done()
    visit.fits()
    visit.press("Retry")
    expect(visit.answer).to_contain_text("1 2 3", timeout=PATIENCE_MS)
    visit.press("Stop")
    visit.reads("You stopped this answer.")
    assert visit.complaints == []


def test_what_was_taken_back_at_the_service_is_reconnected(visit: Visit) -> None:
    visit.sign_in("bob")
    visit.disconnect_all()
    visit.choose("Concierge")
    visit.ask(QUESTION)
    visit.decide("bob")
    visit.is_done()

    acme = visit.context.new_page()
    acme.goto(visit.world.acme_url)
    kept = acme.locator("form[action*=remove]")
    before = kept.count()
    kept.first.get_by_role("button").click()
    expect(kept).to_have_count(before - 1)
    visit.page.goto(f"{visit.world.url}/connections/")
    visit.comes("Needs attention")  # once its token is renewed
    visit.fits()
    with visit.page.expect_navigation(url=f"{visit.world.acme_url}/**"):
        visit.press("Reconnect")
    visit.page.locator("button[name=decision][value=allow]").click()
    visit.page.wait_for_url(f"{visit.world.url}/**")
    visit.page.goto(f"{visit.world.url}/connections/")

    visit.reads("Connected")
    expect(visit.button("Reconnect")).to_have_count(0)
    visit.disconnect_all()
    assert visit.complaints == []


def test_bob_signs_out_of_another_browser(visit: Visit, browser: Browser) -> None:
    visit.sign_in("bob")
    context = visit.looks.context(browser)
    other = Visit(visit.world, context, visit.looks)
    other.sign_in("bob")

    visit.page.goto(f"{visit.world.url}/connections/sessions/")
    visit.press("Sign out everywhere else")

    expect(visit.button("Sign out everywhere else")).to_have_count(0)
    visit.fits()
    other.page.goto(visit.world.url)
    expect(other.main.get_by_role("link", name=visit.words("Sign in")).first).to_be_visible()
    context.close()


def test_a_sign_in_that_fails_says_why_and_by_which_reference(visit: Visit) -> None:
    page = visit.page
    page.goto(f"{visit.world.url}/oidc/callback/?error=access_denied&state=x")

    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.locator("html").get_attribute("lang") == visit.language
    expect(page.locator(".said__reference code")).to_have_text(re.compile(r"^[0-9a-f-]{8,}$"))
    visit.fits()
    visit.link("Go to the start page").click()
    visit.sign_in("bob")
