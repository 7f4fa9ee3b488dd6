"""Whatever the code puts on record has words for whoever reads it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from agents.admin.reason_words import why
from core.audit_words import in_words
from core.errors import AppError
from core.wire.sigv4 import Reason
from tests.engines import CHECKOUT

_ROOMS = ("core", "agents", "vault", "portal")
_REFUSING = {"TokenRefused", "TokenRejected", "SignInRefused", "LogoutRefused", "_mismatch"}
# Refusals on which nothing is put on record: of forms, of pages, and of the trail itself.
_OFF_THE_RECORD = {
    *("key_is_revoked", "key_not_to_rotate", "too_many_keys"),
    *(
        "agent_in_use",
        "answer_under_way",
        "attachment_refused",
        "audit_unavailable",
        "configuration_refused",
    ),
    *(
        "feedback_refused",
        "message_refused",
        "name_taken",
        "not_an_administrator",
        "not_the_last_answer",
    ),
    *("interaction_required", "invalid_scope", "invalid_target", "unsupported_grant_type"),
    *("operation_not_served", "own_account", "run_over", "seal_not_text", "signature_refused"),
    *(
        "answer_not_possible",
        "stop_not_possible",
        "unknown_operation",
        "default_endpoint",
        "endpoint_not_found",
    ),
    *(
        "version_in_use",
        "version_not_found",
        "pool_not_ours",
        "agent_for_programs",
        "title_refused",
    ),
    *("approval_answered", "approval_over", "approval_refused"),
    "too_much_to_count",
    *("webhook_not_to_resend", "webhook_rotation_under_way"),
}


def modules() -> Iterator[ast.Module]:
    for room in _ROOMS:
        for path in sorted((Path(CHECKOUT) / room).rglob("*.py")):
            if "migrations" not in path.parts:
                yield ast.parse(path.read_text())


def calls(module: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
            yield name, node


def strings_in(node: ast.AST) -> set[str]:
    return {
        inner.value
        for inner in ast.walk(node)
        if isinstance(inner, ast.Constant) and isinstance(inner.value, str) and inner.value
    }


def prefixes_in(module: ast.Module) -> dict[str, str]:
    """Return, by the function that records it, the first part of an action whose last is given."""
    return {
        function.name: str(part.value)
        for function in ast.walk(module)
        if isinstance(function, ast.FunctionDef)
        for name, call in calls(function)
        if name == "Event" and call.args and isinstance(call.args[0], ast.JoinedStr)
        for part in call.args[0].values
        if isinstance(part, ast.Constant)
    }


def shared_prefixes() -> dict[str, str]:
    """Return the same of the functions that other modules call."""
    return {
        name: prefix
        for module in modules()
        for name, prefix in prefixes_in(module).items()
        if not name.startswith("_")
    }


def actions_in(module: ast.Module, shared: dict[str, str]) -> set[str]:
    """Return the actions that a module puts on record, those made of two parts included."""
    found: set[str] = set()
    prefixes = {**shared, **prefixes_in(module)}
    for name, call in calls(module):
        if name in {"evaluate", "aevaluate", "add_argument"}:  # of policies, of command lines
            continue
        given = [k.value for k in call.keywords if k.arg == "action"]
        if name in {"Kept", "record"}:
            said = [*call.args, *(k.value for k in call.keywords)]
            given += [node for node in said if isinstance(node, ast.Constant)]
        if name in {"Event", "_event"} | prefixes.keys():
            given += call.args[:1]
        for node in given:
            if not isinstance(node, ast.JoinedStr):
                found |= {prefixes.get(name, "") + text for text in strings_in(node)}
    for function in ast.walk(module):
        if isinstance(function, ast.FunctionDef):
            named = zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True)
            for argument, value in named:
                if argument.arg == "action" and value is not None:
                    found |= strings_in(value)
    return found


def test_every_action_has_words() -> None:
    shared = shared_prefixes()
    actions = set().union(*(actions_in(module, shared) for module in modules()))
    ends = ("denied", "failed", "expired")  # the status that a consent ends with
    actions |= {f"vault.consent.{end}" for end in ends}

    expected = {"person.signed_out", "person.signin.replaced", "admin.access_key.disabled"}
    expected |= {"admin.provider.disabled", "admin.tags.added", "admin.access_key.rotated"}
    assert expected | {"admin.provider.changed", "agent.invocation.ended"} <= actions
    assert {action for action in actions if in_words(action) == action} == set()


def reasons() -> set[str]:
    found = {str(reason) for reason in Reason}
    kinds = [AppError]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind.__module__.partition(".")[0] in _ROOMS:
            found.add(str(kind.code))
    for module in modules():
        for name, call in calls(module):
            if name in _REFUSING:
                place = 1 if name == "_mismatch" else 0
                found |= set().union(*map(strings_in, call.args[place : place + 1]))
            if name in {"Event", "fail", "_failed", "_finish"}:
                given = [k.value for k in call.keywords if k.arg == "reason"]
                found |= set().union(*map(strings_in, given))
    return found - _OFF_THE_RECORD


def test_every_reason_has_words() -> None:
    found = reasons()

    assert {"client_mismatch", "key_disabled", "state_mismatch", "superseded"} <= found
    assert {reason for reason in found if not why(reason)} == set()


def test_a_reason_without_words_has_none() -> None:
    assert why("something_new") == ""
