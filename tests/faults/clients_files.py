"""Broken files of clients, hundreds at once, while calls go on: each is refused by file, line and key.

Enters: a site. Leaves: nothing; raises AssertionError where a broken file was not named. What came of the calls is
judged by `fault.py`: nobody's file may have changed anything.
"""

from __future__ import annotations

import json
import random

import gevent

from tests.command import until
from tests.faults.crowd import calling
from tests.faults.fault import Fault, Size
from tests.faults.site import Site
from tests.faults.switch import ACME

_BOMB = "x0: &x0 [a, a, a, a, a, a, a, a, a, a]\n" + "".join(
    f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 8)
)
_CLIENT = """\
tenant: {name}
name: 株式会社{name}
contract: {{from: '2026-04-01', closing_day: 20, prices: standard}}
numbers: [{{number: '03999{number:05d}', kind: direct, id: '1001'}}]
ids: [{{id: '1001', name: 佐藤}}]
"""
BREAKS = {
    "a tab": lambda text: text + "hours:\n\toffice: {daily: ['9:00-18:00']}\n",
    "a key twice": lambda text: text + "name: twice\n",
    "a bomb of aliases": lambda text: text + _BOMB,
    "a tag": lambda text: text + "hours: !!python/object/apply:os.system ['touch evil']\n",
    "another tag": lambda text: text.replace("numbers: [", "numbers: !!set ["),
    "a list in place of a text": lambda text: text.replace("name: 株", "name: [株").replace(
        "\ncontract", "]\ncontract"
    ),
    "a number in place of a date": lambda text: text.replace("'2026-04-01'", "20260401"),
    "a day that is none": lambda text: text.replace("closing_day: 20", "closing_day: 32"),
    "an unknown key": lambda text: text + "numbres: []\n",
    "a number of somebody else": lambda text: text.replace("numbers: [", "numbers: [{number: '0312345678', kind: x}, "),
    "no end of a list": lambda text: text + "ids: [",
    "bytes that are no text": lambda text: text + "reading: \udcff\udcfe\n",
    "two documents": lambda text: text + "---\ntenant: second\n",
    "no client": lambda text: text.replace("tenant: ", "tenant: [").replace("\nname", "]\nname", 1),
    "deep nesting": lambda text: text + "hours: " + "[" * 60 + "]" * 60 + "\n",
    "a control character": lambda text: text + "reading: \x07\n",
}
"""What is wrong -> how a good file becomes so."""


def break_files(site: Site, size: Size, dice: random.Random) -> None:
    """So many new clients with broken files, and the file of the client who is called broken again and again."""
    files = [f"broken{number:04d}.yaml" for number in range(size.times)]
    acme = site.tenants / "acme.yaml"
    good = acme.read_bytes()
    with calling(site, size.per_s, dice):
        for number, file in enumerate(files):
            text = dice.choice(list(BREAKS.values()))(_CLIENT.format(name=file[:-5], number=number))
            (site.tenants / file).write_bytes(text.encode("utf-8", "surrogateescape"))
        for wrong in dice.sample(list(BREAKS), min(len(BREAKS), 1 + size.times // 100)):
            acme.write_bytes(BREAKS[wrong](ACME).encode("utf-8", "surrogateescape"))
            gevent.sleep(size.for_s)
        until(lambda: set(files) <= _named(site), lambda: f"not refused: {sorted(set(files) - _named(site))[:5]}")
        for file in files:
            (site.tenants / file).unlink()
        acme.write_bytes(good)
        gevent.sleep(size.for_s)


def _named(site: Site) -> set[str]:
    """Files that directory has refused with a line."""
    lines = [line for line in site.rooms["directory"].log.read_text(encoding="utf-8").splitlines() if "{" in line[:1]]
    said = [one for one in map(json.loads, lines) if one.get("event") == "tenant file"]
    return {one["file"] for one in said if one["line"] > 0 and one["problem"]}


FAULTS = (
    Fault(
        "broken files",
        "files of clients with tabs, double keys, bombs of aliases, tags and wrong types while people call",
        break_files,
        small=Size(times=30, for_s=1, per_s=5),
        full=Size(times=500, for_s=2, per_s=20),
    ),
)
