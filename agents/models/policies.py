"""What is attached to resources by their ARN: the policies that say who may use them, and tags."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

ARN_CHARS = 1011  # as the wire API bounds it


class ResourcePolicy(models.Model):
    """An IAM policy document that restricts who may use one resource."""

    resource_arn = models.CharField(_("resource"), max_length=ARN_CHARS, unique=True)
    document = models.TextField(_("policy"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("resource policy")
        verbose_name_plural = _("resource policies")
        ordering = ["resource_arn"]

    def __str__(self) -> str:
        return self.resource_arn


class ResourceTag(models.Model):
    """One word that an operator attached to a resource, for their own use."""

    resource_arn = models.CharField(_("resource"), max_length=ARN_CHARS)
    key = models.CharField(_("key"), max_length=128)
    value = models.CharField(_("value"), max_length=256, blank=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["resource_arn", "key"]
        constraints = [
            models.UniqueConstraint(
                fields=["resource_arn", "key"], name="agents_one_value_for_each_tag"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.key}={self.value}"
