"""Looks at the machine that the switch runs on: processes, sockets, clock, folders.

Enters: where the switch says its folders are. Leaves: `Machine`; what the kernel does not show stays None. Linux only
(/proc, adjtimex); elsewhere everything is unseen.
"""

from __future__ import annotations

import ctypes
import ipaddress
import os
import socket
import stat
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from services.eventsocket.doctor.facts import Folder, Listening, Machine, Process

PROC = Path("/proc")
COUNTED = 100_000
LOOKS_APART_S = 0.4
STALLED_BYTES = 64 * 1024
"""Some 10 events: a client that reads has them in milliseconds."""
STA_UNSYNC = 0x40
"""The kernel's clock is not disciplined (linux/timex.h)."""
_LISTEN, _ESTABLISHED = "0A", "01"


def is_here(host: str) -> bool:
    """Whether an address is this machine's own."""
    try:
        address = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][4][0]
        with socket.socket(socket.AF_INET6 if ":" in str(address) else socket.AF_INET, socket.SOCK_STREAM) as trial:
            trial.bind((address, 0))
    except OSError:
        return False
    return True


def look(event_socket_port: int, run_dir: str, folders: Mapping[str, str]) -> Machine:
    """`folders`: path by use."""
    return Machine(
        process=_process(run_dir),
        listening=tuple(_listening()),
        stalled=_stalled(event_socket_port),
        clock_synchronised=_clock_synchronised(),
        clock_source=_text(Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")).strip(),
        local_ports=_local_ports(),
        folders={use: folder(path) for use, path in folders.items() if path},
    )


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


# -- the process --


def _process(run_dir: str) -> Process | None:
    """By its pid file, else the only process of that name (a container's pid file counts other processes)."""
    written = _text(Path(run_dir) / "freeswitch.pid").strip() if run_dir else ""
    named = [int(one.name) for one in PROC.glob("[0-9]*") if _text(one / "comm").strip() == "freeswitch"]
    pid = int(written) if written.isdigit() and int(written) in named else None
    if pid is None and len(named) == 1:
        pid = named[0]
    if pid is None:
        return None
    status = dict(line.partition(":")[::2] for line in _text(PROC / str(pid) / "status").splitlines())
    ids, group_ids, more = (status.get(name, "").split() for name in ("Uid", "Gid", "Groups"))
    if len(ids) < 2 or len(group_ids) < 2:
        return None
    groups = frozenset(int(one) for one in [group_ids[1], *more])
    return Process(pid, int(ids[1]), groups, limits(_text(PROC / str(pid) / "limits")))


def limits(text: str) -> dict[str, int | None]:
    """`/proc/<pid>/limits` -> soft limits by name; None: unlimited."""
    found: dict[str, int | None] = {}
    for line in text.splitlines()[1:]:
        name, soft = line[:26].strip(), (line[26:].split() or [""])[0]
        found[name] = int(soft) if soft.isdigit() else None
    return found


# -- sockets --


def _rows(name: str) -> Iterator[list[str]]:
    for line in _text(PROC / "net" / name).splitlines()[1:]:
        yield line.split()


def _listening() -> Iterator[Listening]:
    for name in ("tcp", "tcp6"):
        for row in _rows(name):
            if row[3] == _LISTEN:
                yield Listening("tcp", *_place(row[1]))
    for name in ("udp", "udp6"):
        for row in _rows(name):
            yield Listening("udp", *_place(row[1]))


def _place(text: str) -> tuple[str, int]:
    """`0100007F:1F55` -> ("127.0.0.1", 8021); words of 32 bits in the machine's order."""
    raw, _, port = text.partition(":")
    words = [bytes.fromhex(raw[at : at + 8])[::-1] for at in range(0, len(raw), 8)]
    return str(ipaddress.ip_address(b"".join(words))), int(port, 16)


def _stalled(port: int) -> tuple[str, ...]:
    """Clients of the Event Socket that leave much unread in two looks, at either end of the connection."""
    first = _unread(port)
    if not first:
        return ()
    time.sleep(LOOKS_APART_S)
    return tuple(sorted(first.keys() & _unread(port).keys()))


def _unread(port: int) -> dict[str, int]:
    """Clients with more than STALLED_BYTES under way, by address; those on this machine are seen from both ends."""
    found: Counter[str] = Counter()
    for name in ("tcp", "tcp6"):
        for row in _rows(name):
            near, far = _place(row[1]), _place(row[2])
            sent, received = (int(number, 16) for number in row[4].split(":"))
            if row[3] == _ESTABLISHED and near[1] == port:
                found[f"{far[0]}:{far[1]}"] += sent
            elif row[3] == _ESTABLISHED and far[1] == port:
                found[f"{near[0]}:{near[1]}"] += received
    return {client: waiting for client, waiting in found.items() if waiting >= STALLED_BYTES}


def _local_ports() -> tuple[int, int] | None:
    words = _text(PROC / "sys/net/ipv4/ip_local_port_range").split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else None


# -- the clock --


def _clock_synchronised() -> bool | None:
    """What adjtimex says with modes=0, which changes nothing; in `struct timex` the status stands behind five longs."""
    buffer = (ctypes.c_long * 64)()
    try:
        answer = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(buffer))
    except (OSError, AttributeError):
        return None
    if answer < 0:
        return None
    status = ctypes.cast(ctypes.byref(buffer, 5 * ctypes.sizeof(ctypes.c_long)), ctypes.POINTER(ctypes.c_int))[0]
    return not status & STA_UNSYNC


# -- folders --


def folder(path: str) -> Folder:
    """What stands at `path`, as this process sees it."""
    try:
        found = os.stat(path)  # noqa: PTH116
        if not stat.S_ISDIR(found.st_mode):
            return Folder(path, exists=False)
        room = os.statvfs(path)
        files, oldest_s = _content(path)
    except OSError:
        return Folder(path, exists=False)
    return Folder(
        path,
        exists=True,
        uid=found.st_uid,
        gid=found.st_gid,
        mode=stat.S_IMODE(found.st_mode),
        readable=os.access(path, os.R_OK | os.X_OK),
        writable=os.access(path, os.W_OK),
        free_bytes=room.f_bavail * room.f_frsize,
        own_file_system=found.st_dev != Path("/").stat().st_dev,
        file_system=_file_system(path),
        files=files,
        oldest_s=oldest_s,
    )


def _content(path: str) -> tuple[int, float]:
    """(files directly in it, age of the oldest in seconds)."""
    count, oldest = 0, time.time()
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    count += 1
                    oldest = min(oldest, entry.stat(follow_symlinks=False).st_mtime)
                if count >= COUNTED:
                    break
    except OSError:
        return 0, 0.0
    return count, max(0.0, time.time() - oldest) if count else 0.0


def _file_system(path: str) -> str:
    """The kind of the file system, by the longest mount point above `path` (proc(5), mountinfo)."""
    best, kind = "", ""
    real = str(Path(path).resolve())
    for line in _text(PROC / "self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        point = left.split()[4].replace("\\040", " ")
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best) and right:
            best, kind = point, right.split()[0]
    return kind
