"""PURE: texts of a recording replaced consistently, in every file and every encoding of it.

Enters: pairs of texts, bytes of the files as the switch sent them. Leaves: the same files with the new texts, lengths
corrected. What `--anonymise` replaces is found here too: telephone numbers, names, addresses of other machines, host
and domain names; what stands in nobody's header (a sound file's name, a number spoken) is not found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from freeswitch.simulator.esl.wire import url_encode

Pairs = tuple[tuple[str, str], ...]

_NUMBER = re.compile(r"(?<![0-9A-Za-z.-])(?:0[1-9]\d{8,9}|\+\d{8,15}|81\d{9,10})(?![0-9A-Za-z.-])")
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")
_KEPT_HOSTS = re.compile(r"127\.|0\.0\.0\.0|192\.0\.2\.|255\.")
_NAMES = ("Caller-Caller-ID-Name", "Caller-Callee-ID-Name", "Caller-Orig-Caller-ID-Name", "variable_sip_from_display")
_HOSTS = {"FreeSWITCH-Hostname": "fs1", "FreeSWITCH-Switchname": "fs1"}
_DOMAINS = ("variable_domain_name", "variable_sip_from_host", "variable_sip_to_host", "realm")
_LENGTH = re.compile(rb"(?m)^Content-Length: \d+$")
_SHORTEST = 3
"""Shorter names would be found inside other words."""


def replaced(text: bytes, pairs: Pairs) -> bytes:
    """A file of text or JSON with every old text replaced, the longest first."""
    for old, new in sorted(pairs, key=lambda pair: -len(pair[0])):
        text = text.replace(old.encode(), new.encode())
    return text


def replaced_event(body: bytes, pairs: Pairs) -> bytes:
    """An event in plain form: its values are percent-encoded, and it may say the length of a body of its own."""
    head, gap, rest = body.partition(b"\n\n")
    for old, new in sorted(pairs, key=lambda pair: -len(pair[0])):
        head = head.replace(url_encode(old), url_encode(new))
    new_rest = replaced(rest, pairs)
    if rest:
        head = _LENGTH.sub(b"Content-Length: %d" % len(new_rest), head)
    return head + gap + new_rest


def found_in(events: Iterable[Mapping[str, Any]], texts: Iterable[str]) -> Pairs:
    """What stands in these events and other texts and tells of somebody, with a value from documentation for each."""
    numbers, hosts, names, others = dict[str, str](), dict[str, str](), dict[str, str](), dict[str, str]()
    for name, value in _values(events, texts):
        for number in _NUMBER.findall(value):
            numbers.setdefault(number, f"0312{340001 + len(numbers)}"[: max(10, len(number))])
        for host in _IPV4.findall(value):
            if not _KEPT_HOSTS.match(host):
                hosts.setdefault(host, f"192.0.2.{10 + len(hosts)}")
        if name in _NAMES and len(value) >= _SHORTEST and not value.isdigit() and not _NUMBER.search(value):
            names.setdefault(value, f"Name {1 + len(names)}")
        if name in _HOSTS and value != _HOSTS[name]:
            others[value] = _HOSTS[name]
        if name in _DOMAINS and value and not _IPV4.fullmatch(value):
            others[value] = "pbx.example"
    return tuple({**numbers, **hosts, **names, **others}.items())


def _values(events: Iterable[Mapping[str, Any]], texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    for event in events:
        for name, value in event.items():
            for one in value if isinstance(value, list) else (value,):
                yield name, str(one)
    for text in texts:
        yield "", text
