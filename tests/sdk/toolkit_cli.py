"""The starter toolkit's `agentcore`, in an environment of its own: it wants other packages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.engines import CHECKOUT

_LIST = Path(__file__).parent / "toolkit" / "requirements.txt"
_HOME = CHECKOUT / "var" / "toolkit"
_AGENTCORE = _HOME / "bin" / "agentcore"
_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_INSTALLING_S, _PATIENCE_S = 300, 60


def install() -> None:
    """Make the environment, unless it is there already: a minute, once."""
    wanted = _LIST.read_text()
    stamp = _HOME / ".installed"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    made = [sys.executable, "-m", "venv", "--clear", str(_HOME)]
    pip = [str(_HOME / "bin" / "python"), "-m", "pip", "install", "--quiet", "--require-hashes"]
    for command in (made, [*pip, "-r", str(_LIST)]):
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_INSTALLING_S
        )
        if done.returncode:
            pytest.fail(
                f"pip could not install the starter toolkit ({done.stderr.strip()[-300:]}): the "
                "tests need PyPI once, to fill var/toolkit.",
                pytrace=False,
            )
    stamp.write_text(wanted)


def project(folder: Path, arn: str, *, with_authorizer: bool) -> None:
    """Write what `agentcore configure` and `launch` leave in a project's folder."""
    lines = [
        "default_agent: greeter",
        "agents:",
        "  greeter:",
        "    name: greeter",
        "    entrypoint: greeter.py",
        "    aws:",
        "      region: us-east-1",
        "      account: '000000000000'",
        "      execution_role_auto_create: true",
        "    bedrock_agentcore:",
        f"      agent_id: {arn.rpartition('/')[2]}",
        f"      agent_arn: {arn}",
    ]
    if with_authorizer:
        lines += ["    authorizer_configuration:", "      customJWTAuthorizer: {}"]
    (folder / ".bedrock_agentcore.yaml").write_text("\n".join([*lines, ""]))


def invoke(folder: Path, *arguments: str, url: str, env: Mapping[str, str]) -> str:
    """Return what `agentcore invoke` prints in the project of a folder, once it ended well."""
    told = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "COLUMNS": "400",
        "AGENTCORE_SUPPRESS_RECOMMENDATION": "1",
        "BEDROCK_AGENTCORE_DP_ENDPOINT": url,
        "BEDROCK_AGENTCORE_CP_ENDPOINT": url,
        "AWS_REGION": "us-east-1",
        **env,
    }
    done = subprocess.run(
        [_AGENTCORE, "invoke", *arguments],
        cwd=folder,
        env=told,
        capture_output=True,
        text=True,
        check=False,
        timeout=_PATIENCE_S,
    )
    printed = _ANSI.sub("", done.stdout + done.stderr)
    assert done.returncode == 0, printed
    return printed
