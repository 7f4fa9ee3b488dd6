"""`manage.py import_agents`: the AgentCore runtimes of an AWS account, and the registry."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from agents import importing
from agents.aws import places
from agents.aws.errors import AwsRefused
from agents.aws.runtimes import Runtime
from agents.importing import Compared, Standing
from core.audit import Actor
from core.errors import AppError

_ACTOR = Actor("manage.py import_agents")


class Command(BaseCommand):
    """Shows how AWS and the registry differ, and registers what is chosen."""

    help = (
        "List the AgentCore runtimes of this site's AWS account and region, show what is new, "
        "changed or gone against the registry, and register those that are named. Nobody may use "
        "an agent that was registered so, until an admin says who. Exit status 1: something that "
        "was chosen was refused."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take what to register, and whether to say only what would be done."""
        parser.add_argument("--region", help="the AWS region (AWS_REGION)")
        parser.add_argument(
            "--name", action="append", default=[], help="register the runtime of this name"
        )
        parser.add_argument("--all", action="store_true", help="register every new one")
        parser.add_argument("--as", dest="new_name", help="the agent's name here, with one --name")
        parser.add_argument(
            "--qualifier", default=places.DEFAULT_QUALIFIER, help="call it by this endpoint"
        )
        parser.add_argument(
            "--update", action="store_true", help="let chosen ones that changed follow AWS"
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be done")
        parser.add_argument("--json", action="store_true", help="one JSON object a line")

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare, do what was chosen, and say in one line for each what came of it."""
        try:
            found = importing.compare(region=options["region"] or settings.AWS_REGION)
        except AwsRefused as exc:
            raise CommandError(str(exc.message)) from None
        names = set(options["name"])
        if options["new_name"] and len(names) != 1:
            raise CommandError("--as goes with one --name.")
        if unknown := names - {_name(each) for each in found}:
            raise CommandError(f"AWS has no such runtime: {', '.join(sorted(unknown))}")
        refused = 0
        for each in found:
            chosen = options["all"] or _name(each) in names
            done = self._done(each, **options) if chosen else ""
            refused += done.startswith("refused")
            self.stdout.write(_as_json(each, done) if options["json"] else _in_words(each, done))
        if not options["json"]:
            self.stdout.write(_summary(found))
        if refused:
            raise CommandError(f"{refused} refused.", returncode=1)

    def _done(self, each: Compared, **options: Any) -> str:
        """Register, or bring up to date, what was chosen, and say in a few words what was done."""
        follows = each.standing == Standing.CHANGED and options["update"]
        if each.runtime is None or not (follows or each.standing == Standing.NEW):
            return ""
        if options["dry_run"]:
            return _would_be_done(each.runtime, follows=follows)
        try:
            if each.agent is not None:
                version = importing.agent_follow(each.agent, each.runtime, actor=_ACTOR)
                return f"version {version.number} says so now"
            agent = importing.runtime_register(
                each.runtime,
                name=options["new_name"] or "",
                qualifier=options["qualifier"],
                actor=_ACTOR,
            )
        except AppError as exc:
            return f"refused: {exc.message}"
        return f"registered as {agent.agent_id}"


def _name(each: Compared) -> str:
    return each.runtime.name if each.runtime else each.name


def _would_be_done(runtime: Runtime, *, follows: bool) -> str:
    if follows:
        return "would follow AWS"
    why = importing.refusals(runtime)
    return f"refused: {' '.join(why)}" if why else "would be registered"


def _as_json(each: Compared, done: str) -> str:
    told: dict[str, Any] = {
        "standing": each.standing,
        "name": _name(each),
        "arn": each.place.arn,
        "agent": each.agent.agent_id if each.agent else None,
        "changes": {c.field: {"here": c.here, "aws": c.there} for c in each.changes},
        "notes": list(each.notes),
    }
    return json.dumps({**told, "done": done} if done else told)


def _in_words(each: Compared, done: str) -> str:
    lines = [f"{each.standing:8}{_name(each)}  {each.place.arn}"]
    lines += [f"        {change}" for change in each.changes]
    lines += [f"        {note}" for note in each.notes]
    if done:
        lines.append(f"        {done}")
    return "\n".join(lines)


def _summary(found: Iterable[Compared]) -> str:
    standings = [each.standing for each in found]
    counts = [f"{standings.count(standing)} {standing}" for standing in Standing]
    return f"{', '.join(counts)}."
