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

_REFRESH_S = 5.0
_EXPIRE_S = 10.0
_REVOKE_S = 10.0
_END_S = 5.0
_CHECK_S = 60.0
_TIDY_S = 3600.0

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
    beat_schedule={
        # What is not begun before the next one is due is not begun at all.
        "refresh-due": {
            "task": "vault.tasks.refresh_due",
            "schedule": _REFRESH_S,
            "options": {"expires": _REFRESH_S},
        },
        "expire-consent-sessions": {
            "task": "vault.tasks.expire_consent_sessions",
            "schedule": _EXPIRE_S,
            "options": {"expires": _EXPIRE_S},
        },
        "revoke-due": {
            "task": "vault.tasks.revoke_due",
            "schedule": _REVOKE_S,
            "options": {"expires": _REVOKE_S},
        },
        "end-accesses": {
            "task": "vault.tasks.end_accesses",
            "schedule": _END_S,
            "options": {"expires": _END_S},
        },
        "forget-lost-tokens": {
            "task": "vault.tasks.forget_lost_tokens",
            "schedule": _END_S,
            "options": {"expires": _END_S},
        },
        "destroy-unused-data-keys": {
            "task": "vault.tasks.destroy_unused_data_keys",
            "schedule": _TIDY_S,
            "options": {"expires": _TIDY_S},
        },
        "check-waiting-providers": {
            "task": "vault.tasks.check_waiting_providers",
            "schedule": _CHECK_S,
            "options": {"expires": _CHECK_S},
        },
        "forget-obtained-tokens": {
            "task": "vault.tasks.forget_obtained_tokens",
            "schedule": _TIDY_S,
            "options": {"expires": _TIDY_S},
        },
        "end-abandoned-signins": {
            "task": "portal.tasks.end_abandoned_signins",
            "schedule": _TIDY_S,
            "options": {"expires": _TIDY_S},
        },
    },
)
app.autodiscover_tasks(["vault", "portal"])
