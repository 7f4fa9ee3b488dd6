"""The order in which the demo comes up."""

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo.run import engines, ports, report, state
from demo.run.parts import CHECKOUT, Parts, run_folder, site_environment_file, state_file
from demo.run.supervisor import StopRequested, Supervisor, say
from embedded.instance import Instance, InstanceBusy, RuntimeFolderUnsafe, held
from embedded.process import StartFailed


def main() -> int:
    """Run the demo until somebody stops it; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--home", type=Path, default=CHECKOUT / "var", help="keys, data and logs")
    home = parser.parse_args().home
    try:
        with held(home) as instance, Supervisor(run_folder(instance.home)) as supervisor:
            try:
                _bring_up(instance, supervisor)
                say("ready")
                supervisor.watch()
            finally:
                site_environment_file(instance.home).unlink(missing_ok=True)
    except (StopRequested, KeyboardInterrupt):
        say("stopped")
    except InstanceBusy as exc:
        say(_who_runs(home, exc))
        return 1
    except (StartFailed, RuntimeFolderUnsafe, ports.NoFreePort) as exc:
        say(str(exc))
        return 1
    return 0


def _who_runs(home: Path, busy: InstanceBusy) -> str:
    """Return where the demo is that runs already, and how it is stopped."""
    if busy.owner is None:
        return str(busy)
    url = report.url_in(home)
    where = f"at {url}" if url else "and is about to say at which address"
    return (
        f"The demo runs already, {where}.\n"
        f"To stop it, press Ctrl-C where it was started, or run: kill {busy.owner}"
    )


def _bring_up(instance: Instance, supervisor: Supervisor) -> None:
    """Start everything, what others need first; print and write how to use it."""
    report.file_of(instance.home).unlink(missing_ok=True)
    remembered = state.load(state_file(instance.home))
    asked_port = _asked_port(remembered["ports"])
    remembered["ports"] = ports.assign(remembered["ports"], wanted=asked_port, say=say)

    data = engines.chosen(instance)
    say("starting the engines")
    supervisor.bring_up(*data.children())
    parts = Parts(instance, remembered, remembered["ports"], data.urls())
    remembered["urls"] = {part: parts.url(part) for part in ports.PARTS}
    state.save(parts.state_file, remembered)

    say("bringing the database up to date")
    supervisor.bring_up(parts.seed(), parts.static_files(), parts.idp())
    seeded: dict[str, Any] = json.loads(parts.seed_output.read_text())
    parts.site_is_told()

    say("starting the site, its worker, Acme Calendar and the agents")
    supervisor.bring_up(
        parts.site(),
        parts.worker(),
        parts.beat(),
        parts.acme(redirect_uris=[each["callback_url"] for each in seeded["providers"]]),
        *parts.agents(seeded["agents"]),
    )
    report.write(parts, seeded)
    say(report.text(parts, asked_port=asked_port))


def _asked_port(remembered: Mapping[str, int | None]) -> int:
    """Return the port that the site is asked to take: PORT, or what it had, or the usual one."""
    given = os.environ.get("PORT", "")
    if not given:
        return remembered["site"] or ports.DEFAULT
    if not given.isdecimal() or not 0 < int(given) <= ports.LAST:
        raise StartFailed("site", f"PORT is {given!r}, and must be a number from 1 to {ports.LAST}")
    return int(given)
