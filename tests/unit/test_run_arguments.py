"""What may be typed after `toritsugi run`."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from services.run import Duration, main


@pytest.mark.parametrize(("text", "seconds"), [("20s", 20), ("5m", 300), ("1h", 3600), ("0.5s", 0.5), ("45", 45)])
def test_a_time_span(text: str, seconds: float) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["", "s", "0s", "-1s", "1d", "nan", "inf", "1e9s", "20 s s", "二十秒"])
def test_no_time_span(text: str) -> None:
    with pytest.raises(click.BadParameter, match="allowed are for example 20s"):
        Duration().convert(text, None, None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["routing"], "routing alone needs a bus that others share"),
        (["history", "--bus", "amqp://broker/x", "--reset-login"], "belongs to the process that runs directory"),
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
