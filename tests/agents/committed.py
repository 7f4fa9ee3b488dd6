"""Rows that other threads and processes see, and the way to be rid of them.

Django's own flush empties every table and sets up permissions again, which takes most of the time
of such a test.
"""

from __future__ import annotations

from django.db import connection


def empty_tables() -> None:
    """Empty the tables of this app, what refers to them, people, sign-ins, groups and the trail.

    Data keys stay: the processes of this run go on sealing with them.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "TRUNCATE agents_agent, agents_workloadidentity, agents_accesskey, "
            "agents_spentsignature, agents_resourcepolicy, agents_resourcetag, "
            "agents_runtimesession, core_auditevent, "
            "core_user, auth_group, django_session CASCADE"
        )
