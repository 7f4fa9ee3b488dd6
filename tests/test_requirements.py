"""The locked list is made by one Python, and installed by every one that the README names."""

from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.engines import CHECKOUT

OLDEST, NEWEST = "3.11.0", "3.14.0"


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_python_finds_in_the_list_what_its_packages_ask_for(name: str, version: str) -> None:
    lines = Path(CHECKOUT, name).read_text().splitlines()
    locked = {canonicalize_name(line.split("==")[0]) for line in lines if "==" in line}
    python = {"python_full_version": version, "python_version": version.rpartition(".")[0]}

    missing = {
        f"{package} asks for {asked}"
        for package in locked & {canonicalize_name(d.name) for d in metadata.distributions()}
        for asked in map(Requirement, metadata.requires(package) or [])
        if asked.marker is None or asked.marker.evaluate(python | {"extra": ""})
        if canonicalize_name(asked.name) not in locked
    }

    assert missing == set()
