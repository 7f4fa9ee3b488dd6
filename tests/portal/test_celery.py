"""The Celery app: what is due when, and what a worker takes."""

from __future__ import annotations

from portal.celery import app


def test_every_scheduled_task_exists_and_is_not_piled_up() -> None:
    app.loader.import_default_modules()

    for entry in app.conf.beat_schedule.values():
        assert entry["task"] in app.tasks
        assert entry["options"]["expires"] == entry["schedule"]


def test_a_worker_takes_json_alone_and_keeps_no_results() -> None:
    assert list(app.conf.accept_content) == ["json"]
    assert app.conf.task_ignore_result
    assert app.conf.worker_pool == "threads"
