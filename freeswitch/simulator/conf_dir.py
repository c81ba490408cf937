"""What the agent wrote into the switch's own folder, as far as calls show it: variables, and what phones are given.

Enters: conf_dir. Leaves: global variables, and per phone the variables of its entry and the hash of its password. Read
at the start and by `reloadxml`, as the real one reads them; the fallbacks beside them are read when a call needs one
(dialplan.py). Source: switch_xml.c (preprocess), mod_sofia (sofia_reg_parse_auth).
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

AGENT = Path("toritsugi", "agent")


def global_variables(conf_dir: Path) -> dict[str, str]:
    """The `set` lines of vars.xml; none if there is no such file. Raises ParseError."""
    found = {}
    for line in _root(conf_dir / AGENT / "vars.xml").iter("X-PRE-PROCESS"):
        name, _, value = line.get("data", "").partition("=")
        if line.get("cmd") == "set":
            found[name] = value
    return found


def of_phones(conf_dir: Path) -> dict[str, dict[str, str]]:
    """Address -> the variables of its entry in directory.xml. Raises ParseError."""
    found = {}
    for domain in _root(conf_dir / AGENT / "directory.xml").iter("domain"):
        for user in domain.iter("user"):
            variables = {one.get("name", ""): one.get("value", "") for one in user.iter("variable")}
            found[f"{user.get('id')}@{domain.get('name')}"] = variables
    return found


def hashes_of_phones(conf_dir: Path) -> dict[str, str]:
    """Address -> a1-hash of its entry in directory.xml. Raises ParseError."""
    found: dict[str, str] = {}
    for domain in _root(conf_dir / AGENT / "directory.xml").iter("domain"):
        for user in domain.iter("user"):
            hashes = [one.get("value", "") for one in user.iter("param") if one.get("name") == "a1-hash"]
            found |= {f"{user.get('id')}@{domain.get('name')}": one for one in hashes}
    return found


def _root(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except FileNotFoundError:
        return ElementTree.Element("include")
