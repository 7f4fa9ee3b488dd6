"""The Celery app: background work, and when it is due.

The schedule is code, so that nobody breaks it by hand and every machine has the same. Tasks look
for what is due in rows of ours; a task that is lost or comes twice does no harm.
"""

from __future__ import annotations

import os

from celery import Celery
from django.conf import settings

from portal.environment import told_plainly

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
with told_plainly():
    settings.INSTALLED_APPS  # noqa: B018  (Celery would read them later, and print a traceback)

# How often each is due, in seconds.
_EVERY_S = {
    "vault.tasks.refresh_due": 5.0,
    "vault.tasks.expire_consent_sessions": 10.0,
    "vault.tasks.revoke_due": 10.0,
    "vault.tasks.end_accesses": 5.0,
    "vault.tasks.forget_lost_tokens": 5.0,
    "vault.tasks.deliver_webhooks": 5.0,
    "vault.tasks.forget_old_webhooks": 3600.0,
    "vault.tasks.destroy_unused_data_keys": 3600.0,
    "vault.tasks.check_waiting_providers": 60.0,
    "vault.tasks.forget_obtained_tokens": 3600.0,
    "portal.tasks.end_abandoned_signins": 3600.0,
    "portal.tasks.forget_old_sessions": 3600.0,
    "portal.tasks.expire_consents_at_aws": 10.0,
    "portal.tasks.forget_deleted_conversations": 60.0,
}

app = Celery("daiko")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    # Threads, since the work is waiting for providers; and a forked child could use neither the
    # database pool nor the HTTP client of its parent.
    worker_pool="threads",
    worker_concurrency=8,
    # Beat keeps nothing: every entry is short, and due again at once after a start.
    beat_scheduler="celery.beat:Scheduler",
    # A worker that is killed leaves its task unacknowledged; it comes back after this long. No task
    # may take longer, and all of them are bounded well below it.
    broker_transport_options={"visibility_timeout": 600},
    # What is not begun before the next one is due is not begun at all.
    beat_schedule={
        task: {"task": task, "schedule": every_s, "options": {"expires": every_s}}
        for task, every_s in _EVERY_S.items()
    },
)
app.autodiscover_tasks(["vault", "portal"])
