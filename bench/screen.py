"""How soon the first words of an answer are on the screen, once they have reached the browser.

Measured in the demo's own chat, in a real browser: from the time that the browser gives to the
event (`Event.timeStamp`) until the frame is drawn in which the page shows it. Beside it stands a
page that does nothing but add a word to itself at an event: what drawing takes at all.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from playwright.sync_api import Page, expect, sync_playwright

from bench.children import CHECKOUT, Failed, say
from bench.report import Table
from tests.chromium import launch_arguments

_STARTS_S = 180
_PATIENCE_MS = 30_000
# A message that is posted in a frame's callback is handled once that frame is drawn.
_WHEN_DRAWN = """
  window.shown = [];
  window.whenDrawn = (event) => {
    const after = new MessageChannel();
    after.port1.onmessage = () => shown.push(performance.now() - event.timeStamp);
    requestAnimationFrame(() => after.port2.postMessage(0));
  };
"""
_HEARD = """
  const listen = EventSource.prototype.addEventListener;
  EventSource.prototype.addEventListener = function (name, heard) {
    listen.call(this, name, (event) => {
      heard(event);
      if (name !== "block" || this.wasHeard) return;
      this.wasHeard = true;
      if (document.querySelector(".answer:last-child .prose")?.textContent) whenDrawn(event);
    });
  };
"""
_BARE = """
  async (count) => {
    const words = document.body.appendChild(document.createElement("p"));
    addEventListener("block", (event) => {
      words.append(" word");
      whenDrawn(event);
    });
    for (let told = 0; told < count; told += 1) {
      await new Promise((go) => setTimeout(go, 20 + 30 * Math.random()));
      dispatchEvent(new Event("block"));
    }
    await new Promise((go) => setTimeout(go, 500));
    return shown;
  }
"""


def main(told: dict[str, Any]) -> None:
    """Say a table: milliseconds of so many first words in the chat, and of a bare page.

    Raises:
        Failed: the demo did not start, or an answer was not shown.
    """
    home = Path(os.environ["BENCH_HOME"])
    arguments: Any = launch_arguments(log=home / "log" / "chromium.log")
    with _demo(home / "demo") as facts, sync_playwright() as play:
        browser = play.chromium.launch(**arguments)
        page = browser.new_context(locale="en-GB").new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.add_init_script(_WHEN_DRAWN)
        page.goto("about:blank")
        bare = page.evaluate(_BARE, told["answers"])
        page.add_init_script(_HEARD)
        chat = list(_first_words(page, facts, told["answers"]))
        browser.close()
    rows = [_row("a page that adds a word", bare, bare), _row("the chat", chat, bare)]
    columns = ("what", "times", "median ms", "slowest tenth ms", "slowest ms", "ratio of medians")
    say({"table": asdict(Table("From the browser to the screen", columns, rows))})


def _first_words(page: Page, facts: dict[str, Any], count: int) -> Iterator[float]:
    bob = next(each for each in facts["users"] if each["username"] == "bob")
    greeter = next(each for each in facts["agents"] if each["name"] == "greeter")
    page.goto(facts["url"])
    page.get_by_role("link", name="Sign in").first.click()
    page.get_by_label("Username").fill("bob")
    page.get_by_label("Password").fill(bob["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    for number in range(1, count + 1):
        page.goto(f"{facts['url']}/chat/new/{greeter['id']}/")
        page.get_by_role("textbox", name="Message").fill("Count to 5")
        page.get_by_role("button", name="Send").click()
        expect(page.get_by_text(re.compile("3 4 5"))).to_be_visible()
        shown = page.evaluate("shown")
        if len(shown) != 1:
            raise Failed(f"answer {number}: its first words were shown {len(shown)} times")
        say({"progress": f"answer {number} of {count}"})
        yield shown[0]


def _row(what: str, times: list[float], base: list[float]) -> tuple[str, ...]:
    found = (median(times), quantiles(times, n=10, method="inclusive")[-1], max(times))
    ratio = median(times) / median(base)
    return (what, str(len(times)), *(f"{ms:.1f}" for ms in found), f"{ratio:.2f}")


@contextmanager
def _demo(home: Path) -> Iterator[dict[str, Any]]:
    """Run a demo with engines of its own; yield what it says of itself."""
    own = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"), "")
    running = subprocess.Popen(
        [sys.executable, "-m", "demo", "--home", str(home)],
        cwd=CHECKOUT,
        env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        said = []
        for line in running.stdout or ():
            said.append(line.rstrip())
            if said[-1] == "ready":
                break
        else:
            raise Failed("\n".join(["the demo did not start:", *said[-5:]]))
        yield json.loads((home / "demo.json").read_text(encoding="utf-8"))
    finally:
        running.terminate()
        running.communicate(timeout=_STARTS_S)
