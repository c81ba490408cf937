"""What may be typed after `toritsugi run`."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from freeswitch.simulator import Simulator
from proto.envelope import Envelope
from proto.events import CallEnded
from proto.values import Party
from services.run import Duration, Run, main
from services.runtime.settings import Settings


@pytest.mark.parametrize(
    ("text", "seconds"), [("20s", 20), ("5m", 300), ("1h", 3600), ("0.5s", 0.5), ("45", 45), ("7d", 604_800)]
)
def test_a_time_span(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "s", "0s", "-1s", "1w", "nan", "inf", "1e9s", "20 s s", "二十秒"])
def test_no_time_span(text: str) -> None:
    with pytest.raises(click.BadParameter, match="allowed are for example 20s"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["routing"], "routing alone needs a bus that others share"),
        (["history", "--bus", "amqp://broker/x", "--reset-login"], "belongs to the process that runs directory"),
        (["--fast", "--bus", "amqp://broker/x"], "--fast is for the simulated switch on the embedded bus"),
        (["kitchen"], "'kitchen' is not one of"),
        (["--calls-per-second", "0"], "Invalid value for '--calls-per-second'"),
        (["--tenants", "nowhere"], "Directory 'nowhere' does not exist"),
        (["--bus", "http://broker"], "allowed is `embedded:` or `amqp://"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_started(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    data = tmp_path / "data"
    told = CliRunner().invoke(main, ["--data", str(data), *arguments])
    assert told.exit_code == 2
    assert sentence in told.output
    assert not data.exists()


ENDED = CallEnded(
    dialled="0312345678",
    caller=Party("09011112222"),
    direction="inbound",
    result="answered",
    started_at_us=0,
    answered_at_us=1_000_000,
    ended_at_us=2_000_000,
    talk_ms=1000,
    legs=2,
)


@pytest.mark.parametrize("invented", [True, False], ids=["simulated callers", "people"])
def test_call_lines_show_whole_numbers_only_of_invented_callers(
    capsys: pytest.CaptureFixture[str], invented: bool
) -> None:
    """通信の秘密: where people call, the terminal is somebody's journal."""
    simulator = Simulator(password="x", domain="pbx.example") if invented else None  # noqa: S106
    run = Run(Settings(), ("connectors",), None, simulator, 1.0, 1, False)
    run._narrate([Envelope(body=ENDED, id="e1", source="history", tenant="acme", call="c1", occurred_at_us=0)])
    said = capsys.readouterr().err
    assert said.startswith("09:00:02.000 acme")
    assert ("090-1111-2222" in said, "03-1234-5678" in said) == (invented, invented)
    assert ("09*-****-**22" in said, "03-****-**78" in said) == (not invented, not invented)
