"""An answer that grows, as its tabs are told of it."""

import asyncio
import uuid
from typing import Any

import pytest

from portal.runs import parts, stream
from portal.runs.answer import Answer


def test_who_is_interrupted_while_telling_does_not_tell_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run_id = uuid.uuid4()
    append = stream.append

    async def told() -> list[str]:
        appended, may_go_on = asyncio.Event(), asyncio.Event()

        async def slowly(*args: Any, **options: Any) -> str:
            event_id = await append(*args, **options)
            appended.set()
            await may_go_on.wait()
            return event_id

        monkeypatch.setattr(stream, "append", slowly)
        monkeypatch.setattr(parts, "place", lambda run_id, part: 0)
        answer = Answer(run_id)
        await answer.add("Hello.")
        telling = asyncio.create_task(answer.tell())
        await appended.wait()
        telling.cancel()
        may_go_on.set()
        try:
            await answer.close_text()
            return [event.name for event in await stream.read(run_id, after="0", wait_s=0.01)]
        finally:
            await stream.close()

    assert asyncio.run(told()) == [stream.BLOCK]
