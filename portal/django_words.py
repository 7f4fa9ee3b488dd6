"""Sentences of Django's admin site that this site's catalogue says its own way.

Django's Japanese has a space on both sides of each name that is put in ("エージェント を変更").
Nothing calls this: a project's catalogue comes before Django's, and a sentence has to stand
somewhere to be in it.
"""

from __future__ import annotations

from django.utils.translation import gettext_noop as _

SENTENCES = (
    _("Add %s"),
    _("Change %s"),
    _("Add %(name)s"),
    _("Add another %(verbose_name)s"),
    _("Select %s to change"),
    _("Select %s"),
    _(" By %(filter_title)s "),
    _("%(full_result_count)s total"),
    _("Delete selected %(verbose_name_plural)s"),
    _("The {name} “{obj}” was added successfully."),
    _("The {name} “{obj}” was added successfully. You may add another {name} below."),
    _("The {name} “{obj}” was changed successfully."),
    _("The {name} “{obj}” was changed successfully. You may edit it again below."),
    _("The {name} “{obj}” was changed successfully. You may add another {name} below."),
    _("The %(name)s “%(obj)s” was deleted successfully."),
)
