"""Files that go with a message: chosen, dropped, pasted, taken away, kept, and sent."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import FilePayload, Locator, Route, expect

from tests.ui.site import (
    AGENT,
    API,
    CHAT,
    CONVERSATION,
    EVENTS,
    POSTS,
    STARTED,
    Json,
    Site,
    block,
    chat_page,
    conversation,
    finished,
    stream,
)

UPLOADS = f"{API}/attachments"
READER = {**AGENT, "accepts": ["images", "text"]}
NOTES: FilePayload = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"Hello"}
TAKEN = {
    "id": "5b0a2c0e-0000-4000-8000-000000000001",
    "name": "notes.txt",
    "media_type": "text/plain",
    "size": 5,
    "is_image": False,
    "url": "/attachments/5b0a2c0e-0000-4000-8000-000000000001/",
}
DROP = """([selector, name, text]) => {
  const data = new DataTransfer();
  data.items.add(new File([text], name));
  const event = selector === "paste" ? "paste" : "drop";
  const at = event === "paste" ? document.querySelector("#message") : document.body;
  at.dispatchEvent(event === "paste"
    ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
}"""


def reader_page(**context: Any) -> str:
    bounds = {"most": 2, "most_bytes": 1000, "kinds": "text/plain"}
    return chat_page(agent=READER, files=bounds, **context)


@pytest.fixture
def chat(site: Site) -> Site:
    site.answer("POST", UPLOADS, TAKEN, status=201)
    site.answer("DELETE", f"{UPLOADS}/{TAKEN['id']}", {}, status=200)
    site.answer("POST", POSTS, STARTED, status=201)
    site.answer("GET", EVENTS, stream(block(0, "<p>Read.</p>"), finished()))
    site.answer("GET", f"{API}/conversations/{CONVERSATION}", conversation())
    site.open(CHAT, reader_page())
    return site


def choose(site: Site, *files: FilePayload) -> None:
    with site.page.expect_file_chooser() as chosen:
        site.page.get_by_role("button", name="Attach files").click()
    chosen.value.set_files(list(files))


def waiting(site: Site) -> Locator:
    return site.page.locator("#composer").get_by_role("listitem")


def uploads(site: Site) -> int:
    return sum((method, path) == ("POST", UPLOADS) for method, path, _body in site.calls)


def write(site: Site, text: str) -> None:
    site.page.get_by_role("textbox", name="Message", exact=True).fill(text)


def press_send(site: Site) -> None:
    site.page.get_by_role("button", name="Send", exact=True).click()


def test_a_file_is_uploaded_shown_and_sent_with_the_message(chat: Site) -> None:
    choose(chat, NOTES)
    expect(waiting(chat)).to_contain_text("notes.txt")
    expect(waiting(chat)).to_contain_text("5 byte")
    write(chat, "What is in it?")
    press_send(chat)

    expect(chat.page.get_by_text("Read.")).to_be_visible()
    [sent] = chat.sent()
    assert sent["attachments"] == [TAKEN["id"]]
    expect(waiting(chat)).to_have_count(0)
    link = chat.page.locator(".question").get_by_role("link", name="notes.txt")
    assert link.get_attribute("href") == TAKEN["url"]
    assert chat.complaints == []


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_a_file_may_be_dropped_and_pasted(chat: Site, way: str) -> None:
    chat.page.evaluate(DROP, [way, "notes.txt", "Hello"])

    expect(waiting(chat)).to_contain_text("notes.txt")
    assert uploads(chat) == 1


def test_it_is_done_by_keyboard_alone(chat: Site) -> None:
    button = chat.page.get_by_role("button", name="Attach files")
    with chat.page.expect_file_chooser() as chosen:
        # A key may be quicker than what makes the browser tell of its dialog; this is not.
        button.click(trial=True)
        button.focus()
        chat.page.keyboard.press("Enter")
    chosen.value.set_files([NOTES])
    remove = chat.page.get_by_role("button", name="Remove notes.txt")
    expect(remove).to_be_visible()
    expect(chat.page.get_by_role("status").filter(has_text="notes.txt is attached.")).to_have_count(
        1
    )

    remove.focus()
    chat.page.keyboard.press("Enter")

    expect(waiting(chat)).to_have_count(0)
    expect(chat.page.get_by_role("textbox", name="Message", exact=True)).to_be_focused()
    assert ("DELETE", f"{UPLOADS}/{TAKEN['id']}", {}) in chat.calls


@pytest.mark.parametrize(
    "files, words",
    [
        ([{**NOTES, "buffer": b"x" * 1001}], "notes.txt is too large"),
        ([NOTES, NOTES, NOTES], "At most 2 files go with a message."),
    ],
)
def test_what_is_too_much_is_said_before_it_is_sent(
    chat: Site, files: list[FilePayload], words: str
) -> None:
    choose(chat, *files)

    expect(chat.page.get_by_role("alert")).to_contain_text(words)
    expect(waiting(chat)).to_have_count(len(files) - 1)


def test_what_the_site_refuses_is_said_and_gone(chat: Site) -> None:
    chat.answer("POST", UPLOADS, {"message": "Concierge does not take this file."}, status=400)

    choose(chat, NOTES)

    alert = chat.page.get_by_role("alert")
    expect(alert).to_contain_text("notes.txt: Concierge does not take this file.")
    expect(waiting(chat)).to_have_count(0)

    chat.answer("POST", UPLOADS, TAKEN, status=201)
    choose(chat, NOTES)
    expect(waiting(chat)).to_have_count(1)
    expect(alert).to_have_text("")


def test_files_without_words_and_files_on_their_way_are_not_sent(chat: Site) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    chat.page.context.route(lambda url: urlsplit(url).path == UPLOADS, hold)
    choose(chat, NOTES)
    expect(waiting(chat).get_by_role("progressbar")).to_be_visible()
    write(chat, "Look")
    press_send(chat)
    expect(chat.page.get_by_role("alert")).to_contain_text("still being uploaded")
    assert chat.sent() == []

    held[0].fulfill(json=TAKEN, status=201)
    expect(waiting(chat).get_by_role("progressbar")).to_have_count(0)
    write(chat, "")
    press_send(chat)

    expect(chat.page.get_by_role("alert")).to_contain_text("Write what is to be done")
    assert chat.sent() == []


def test_files_outlive_a_reload_and_a_message_that_did_not_arrive(chat: Site) -> None:
    choose(chat, NOTES)
    expect(waiting(chat)).to_contain_text("notes.txt")
    write(chat, "Look")
    chat.page.reload()
    expect(waiting(chat)).to_contain_text("notes.txt")

    chat.answer("POST", POSTS, {"message": "No."}, status=500)
    press_send(chat)

    expect(chat.page.get_by_role("alert")).to_contain_text("No.")
    expect(waiting(chat)).to_contain_text("notes.txt")
    expect(chat.page.get_by_role("textbox", name="Message", exact=True)).to_have_value("Look")


def test_an_agent_that_takes_none_is_given_none(site: Site) -> None:
    site.open(CHAT, chat_page())

    expect(site.page.get_by_role("button", name="Attach files")).to_have_count(0)
    site.page.evaluate(DROP, ["paste", "notes.txt", "Hello"])
    assert uploads(site) == 0


def thread() -> list[Json]:
    files = [TAKEN, {**TAKEN, "name": "word" * 40 + ".txt"}]
    return [{"id": "1", "role": "user", "text": "Look", "client_key": None, "attachments": files}]


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 360])
def test_files_keep_nobody_out_and_fit(site: Site, theme: Any, width: int) -> None:
    site.answer("POST", UPLOADS, {**TAKEN, "name": "long " * 30 + ".txt"}, status=201)
    site.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    site.page.set_viewport_size({"width": width, "height": 800})
    site.open(CHAT, reader_page(thread=thread()))
    choose(site, NOTES)
    expect(waiting(site)).to_contain_text("long")

    assert [broken["id"] for broken in Axe().run(site.page).response["violations"]] == []
    assert site.page.evaluate("document.documentElement.scrollWidth") == width
