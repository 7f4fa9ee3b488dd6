"""Files that people attach to their questions."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from portal.models.chat import Message


class _WithoutContent(models.Manager["Attachment"]):
    """Rows come without their content, which is large: ask for it with `.defer(None)`."""

    def get_queryset(self) -> models.QuerySet[Attachment]:
        return super().get_queryset().defer("content")


class Attachment(models.Model):
    """A file of one person. Its type is what its content is, not what anybody said of it.

    It may be attached to a question in several branches of a conversation. One that is attached to
    none waits to be sent.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    messages = models.ManyToManyField(Message, related_name="attachments")
    name = models.CharField(max_length=200)
    media_type = models.CharField(max_length=64)
    size = models.PositiveIntegerField()  # octets
    content = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    objects = _WithoutContent()

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        ordering = ["created_at", "pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(size__gt=0), name="portal_attachments_hold_something"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        """Return the path of the file itself."""
        return reverse("portal:attachment", args=[self.pk])

    @property
    def is_image(self) -> bool:
        """Say whether it is a picture that browsers show."""
        return self.media_type.startswith("image/")
