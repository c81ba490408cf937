"""The same decision without a broker, a process: `python -m tests.bench.inprocess TENANTS PORT`.

Enters: a folder of clients' files, an Event Socket. Leaves: for each arrival one command on the same connection. It has
our link, rules and texts, and nothing else: no bus, no store, no spool. What is lost by it, the decision bar compares.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import gevent

from proto.commands import RouteCall
from proto.envelope import Envelope
from proto.events import CallArrived
from proto.values import command_id
from services.directory.tenants.settle import InForce, settle
from services.directory.tenants.yaml_files import read_folder
from services.eventsocket.frames import Frame
from services.eventsocket.heard import Heard
from services.eventsocket.link import Link
from services.eventsocket.normalise import SUBSCRIPTION, Normaliser
from services.eventsocket.ownership import directory_of
from services.eventsocket.render import RenderSettings, render
from services.routing.decide import decide


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
