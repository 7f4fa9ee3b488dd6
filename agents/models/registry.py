"""Registered agents."""

from __future__ import annotations

from hashlib import sha256

from django.conf import settings
from django.contrib.auth.models import Group
from django.contrib.postgres.fields import ArrayField
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from yarl import URL

from agents.arns import endpoint_arn, runtime_arn
from agents.aws.places import BEARER, SIGV4
from agents.models.identities import WorkloadIdentity

DEFAULT_ENDPOINT = "DEFAULT"
# The wire API's defaults.
SESSION_IDLE_S, SESSION_LIFETIME_S = 900, 28_800
_ENDPOINT_ID_CHARS = 10
_NAME = RegexValidator(
    r"\A[a-zA-Z][a-zA-Z0-9_]{0,47}\Z",
    _("A letter, then up to 47 letters, digits and underscores."),
)


class Agent(models.Model):
    """A registered agent: a name that people know, and who of them may use it.

    Where it runs and who may call it are in its versions, which never change.
    """

    class Accepts(models.TextChoices):
        """What people may attach to a question to it."""

        IMAGES = "images", _("Images: PNG, JPEG, WebP, GIF")
        PDF = "pdf", _("PDF")
        TEXT = "text", _("Text: plain, Markdown, CSV, JSON")

    agent_id = models.CharField(_("agent id"), max_length=64, unique=True, editable=False)
    name = models.CharField(
        _("name"),
        max_length=48,
        unique=True,
        validators=[_NAME],
        help_text=_("The technical name, part of the agent's id. It cannot be changed later."),
    )
    display_name = models.CharField(
        _("display name"), max_length=100, help_text=_("What people see in the chat.")
    )
    description = models.CharField(
        _("description"),
        max_length=4096,
        blank=True,
        help_text=_("One or two sentences that tell people what to ask this agent."),
    )
    accepts = ArrayField(
        models.CharField(max_length=16, choices=Accepts),
        verbose_name=_("attachments"),
        default=list,
        blank=True,
        help_text=_(
            "What people may attach to a question in the chat. The agent has to read it: see "
            "“Attachments” in docs/agents.md."
        ),
    )
    enabled = models.BooleanField(
        _("enabled"),
        default=True,
        help_text=_("Switched off, the agent is refused to everybody within a second."),
    )
    workload_identity = models.OneToOneField(
        WorkloadIdentity, models.PROTECT, verbose_name=_("workload identity"), related_name="agent"
    )
    allow_everyone = models.BooleanField(
        _("everyone"),
        default=False,
        help_text=_("Everybody who can sign in may use this agent."),
    )
    allowed_groups = models.ManyToManyField(
        Group,
        verbose_name=_("groups"),
        blank=True,
        related_name="+",
        help_text=_("Members of these groups, as the identity provider tells them, may use it."),
    )
    allowed_users = models.ManyToManyField(
        settings.AUTH_USER_MODEL,
        verbose_name=_("people"),
        blank=True,
        related_name="+",
        help_text=_("These people may use it, whatever their groups."),
    )
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("agent")
        verbose_name_plural = _("agents")
        ordering = ["display_name"]
        permissions = [("look_up_token", "Can have a person's token looked up and explained")]

    def __str__(self) -> str:
        return self.display_name

    @property
    def arn(self) -> str:
        """Return the agent's ARN."""
        return runtime_arn(self.agent_id)


class AgentVersion(models.Model):
    """One immutable configuration of an agent. A trigger of the database refuses changes."""

    class Protocol(models.TextChoices):
        HTTP = "HTTP", _("HTTP (AgentCore runtime contract)")
        MCP = "MCP", _("MCP (Model Context Protocol, streamable HTTP)")
        A2A = "A2A", _("A2A (Agent2Agent)")
        AGUI = "AGUI", _("AG-UI (Agent User Interaction)")

    # Where calls go, below the URL of an agent: where a version does not say otherwise.
    PATHS = {
        Protocol.HTTP.value: "/invocations",
        Protocol.AGUI.value: "/invocations",
        Protocol.MCP.value: "/mcp",
        Protocol.A2A.value: "/",
    }

    class AuthMode(models.TextChoices):
        JWT = "JWT", _("a person's token (JWT)")
        SIGV4 = "SIGV4", _("an access key (SigV4)")

    class CalledWith(models.TextChoices):
        BEARER = BEARER, _("the person's own token")
        SIGV4 = SIGV4, _("this site's AWS credentials, and an id of the person (SigV4)")

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField(_("version"))
    url = models.CharField(_("URL"), max_length=2048)  # or the ARN of a runtime on AWS
    # How this site calls a runtime on AWS; an agent anywhere else is told by headers of ours.
    called_with = models.CharField(
        _("called with"), max_length=6, choices=CalledWith, default="", blank=True
    )
    protocol = models.CharField(
        _("protocol"), max_length=8, choices=Protocol, default=Protocol.HTTP
    )
    path = models.CharField(_("path"), max_length=2048, blank=True)  # none: the protocol's own
    port = models.PositiveIntegerField(_("port"), null=True, blank=True)  # where the URL has none
    auth_mode = models.CharField(
        _("callers prove themselves with"), max_length=5, choices=AuthMode, default=AuthMode.JWT
    )
    discovery_url = models.CharField(_("discovery URL"), max_length=2048, blank=True)
    allowed_audience = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    allowed_clients = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    allowed_scopes = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    custom_claims = models.JSONField(default=list, blank=True)
    # Claims that may name the client besides `client_id`, which is the only one at AWS.
    client_claims = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    # Which scope a client is told to ask for, where the tokens then name it otherwise.
    advertised_scopes = models.JSONField(default=dict, blank=True)
    # Workload identities that may call on behalf of those who called them; none: no agent may.
    allowed_workloads = ArrayField(models.CharField(max_length=255), default=list, blank=True)
    # How this resource is named to clients (RFC 9728 section 2); none: its URL here.
    resource_identifier = models.CharField(max_length=2048, blank=True)
    header_allowlist = ArrayField(models.CharField(max_length=256), default=list, blank=True)
    session_idle_s = models.PositiveIntegerField(default=SESSION_IDLE_S)
    session_lifetime_s = models.PositiveIntegerField(default=SESSION_LIFETIME_S)
    # Kept for whoever reads them back by the wire API: nothing here acts on them.
    role_arn = models.CharField(max_length=2048, blank=True)
    network = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)

    class Meta:
        verbose_name = _("agent version")
        verbose_name_plural = _("agent versions")
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "number"], name="agents_one_version_per_number"
            ),
            models.CheckConstraint(
                condition=~Q(auth_mode="JWT") | ~Q(discovery_url=""),
                name="agents_a_jwt_version_names_its_issuer",
            ),
            models.CheckConstraint(
                condition=~Q(auth_mode="JWT")
                | ~Q(allowed_audience=[], allowed_clients=[], allowed_scopes=[], custom_claims=[]),
                name="agents_a_jwt_version_restricts_its_callers",
            ),
            models.CheckConstraint(
                condition=(Q(called_with="") & ~Q(url__startswith="arn:"))
                | Q(called_with="SIGV4", url__startswith="arn:")
                | Q(called_with="BEARER", auth_mode="JWT", url__startswith="arn:"),
                name="agents_a_version_on_aws_says_how_it_is_called",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.agent_id} v{self.number}"

    @property
    def base_url(self) -> str:
        """Return where the agent runs, without a slash at the end: the port is the URL's first."""
        url = self.url
        if self.port is not None:
            parsed = URL(url)
            url = url if parsed.explicit_port else str(parsed.with_port(self.port))
        return url.rstrip("/")

    @property
    def upstream_url(self) -> str:
        """Return where a call of the agent goes: below its URL, by its path or its protocol's."""
        return self.base_url + (self.path or self.PATHS[self.protocol])


class AgentEndpoint(models.Model):
    """A name under which an agent is called. It points at a version; at none: at the newest."""

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="endpoints")
    name = models.CharField(_("name"), max_length=48, default=DEFAULT_ENDPOINT, validators=[_NAME])
    # A version goes with its agent, and alone only where nothing points at it.
    version = models.ForeignKey(
        AgentVersion,
        models.RESTRICT,
        verbose_name=_("version"),
        null=True,
        blank=True,
        related_name="endpoints",
    )
    description = models.CharField(_("description"), max_length=256, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    updated_at = models.DateTimeField(_("updated"), auto_now=True)

    class Meta:
        verbose_name = _("endpoint")
        verbose_name_plural = _("endpoints")
        constraints = [
            models.UniqueConstraint(fields=["agent", "name"], name="agents_one_endpoint_per_name"),
            models.CheckConstraint(
                condition=~Q(name=DEFAULT_ENDPOINT) | Q(version=None),
                name="agents_the_default_endpoint_follows_the_newest",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def endpoint_id(self) -> str:
        """Return the id by which the wire API knows the endpoint: the same for the same name."""
        digest = sha256(f"{self.agent.agent_id}/{self.name}".encode()).hexdigest()
        return f"{self.name}-{digest[:_ENDPOINT_ID_CHARS]}"

    @property
    def arn(self) -> str:
        """Return the endpoint's ARN."""
        return endpoint_arn(self.agent.agent_id, self.name)
