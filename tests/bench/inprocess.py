"""The same decision without a broker, a process: `python -m tests.bench.inprocess TENANTS PORT`.

Enters: a folder of clients' files, an Event Socket. Leaves: for each arrival one command on the same connection. It has
our link, rules and texts, and nothing else: no bus, no store, no spool. What is lost by it, the decision bar compares.
"""

from __future__ import annotations

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

import gevent  # noqa: E402

from proto.commands import RouteCall  # noqa: E402
from proto.envelope import Envelope  # noqa: E402
from proto.events import CallArrived  # noqa: E402
from proto.values import command_id  # noqa: E402
from services.directory.settle import InForce, settle  # noqa: E402
from services.directory.yaml_files import read_folder  # noqa: E402
from services.eventsocket.frames import Frame  # noqa: E402
from services.eventsocket.heard import Heard  # noqa: E402
from services.eventsocket.link import Link  # noqa: E402
from services.eventsocket.normalise import SUBSCRIPTION, Normaliser  # noqa: E402
from services.eventsocket.ownership import directory_of  # noqa: E402
from services.eventsocket.render import RenderSettings, render  # noqa: E402
from services.routing.decide import decide  # noqa: E402


def main(tenants_dir: Path, port: int, password: str) -> None:
    """Until it is ended."""
    settled = settle(read_folder(tenants_dir), InForce())
    tenants = {name: held.body for name, held in settled.tenants.items()}
    platform = settled.platform
    normaliser = Normaliser("fs1", directory_of(tenants.values(), platform, "fs1"))
    settings = RenderSettings()

    def heard(frame: Frame) -> None:
        for event in normaliser.facts_of(Heard(frame.body)).envelopes:
            if isinstance(event.body, CallArrived):
                decision = decide(None, event, tenants.get(event.tenant), platform)
                command = RouteCall(
                    switch="fs1",
                    leg=event.body.leg,
                    payer=event.tenant,
                    caller=decision.caller,
                    plan=decision.plan,
                )
                asked = Envelope(
                    body=command,
                    id=command_id(event.id, 0),
                    source="routing",
                    tenant=event.tenant,
                    call=event.call,
                    occurred_at_us=event.occurred_at_us,
                )
                for one in render(asked, settings):
                    link.post(one.text)

    link = Link("127.0.0.1", port, password, on_event=heard)
    link.connect()
    link.send(SUBSCRIPTION)
    print("ready", flush=True)
    gevent.sleep(3600)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), os.environ["BENCH_ESL_PASSWORD"])
