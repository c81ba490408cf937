"""Checks of the machine under the switch: process limits, clock, folders, disks. Pure.

Enters: facts; without a machine (the switch runs elsewhere) each check says so. Leaves: findings.
"""

from __future__ import annotations

from collections.abc import Iterator

from services.eventsocket.doctor.facts import Facts, Folder, Process
from services.eventsocket.doctor.finding import Finding, check, error, listed, unseen, warning

ELSEWHERE = (
    "交換機は別の機械(または見えないコンテナ)にあります",
    "The switch runs on another machine, or in a container out of sight",
)
OPEN_FILES = 20_000
STACK_BYTES = 1 << 20
LOW_BYTES, VERY_LOW_BYTES = 5 << 30, 500 << 20
MANY_FILES, OLD_S = 10_000, 3600.0
NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "ceph", "glusterfs", "9p"})
PASSING = frozenset({"overlay", "aufs"})
SLOW_CLOCKS = frozenset({"acpi_pm", "hpet", "jiffies", "refined-jiffies", "pit"})


@check("limits", "プロセスの上限は十分です", "The limits of the switch's process are wide enough")
def limits(facts: Facts) -> Iterator[Finding]:
    """As in the unit file that FreeSWITCH ships (debian/freeswitch-systemd.freeswitch.service)."""
    if facts.machine is None or facts.machine.process is None:
        yield unseen(ELSEWHERE)
        return
    soft = facts.machine.process.limits
    files, stack, core = soft.get("Max open files"), soft.get("Max stack size"), soft.get("Max core file size")
    if files is not None and files < OPEN_FILES:
        yield warning(
            (f"開けるファイルは {files} 個までです", f"It may open {files} files only, and a call takes several"),
            (
                "サービスに LimitNOFILE=100000 を設定してください。",
                "Set LimitNOFILE=100000 in its service (ulimit -n 100000) and restart it.",
            ),
        )
    if stack is None or stack > STACK_BYTES:
        shown = "unlimited" if stack is None else f"{stack >> 10} KiB"
        yield warning(
            (
                f"スタックが {shown} です。スレッドごとに確保されます",
                f"Each of its threads reserves a stack of {shown}",
            ),
            (
                "サービスに LimitSTACK=250000 を設定してください。",
                "Set LimitSTACK=250000 in its service (ulimit -s 240) and restart it.",
            ),
        )
    if core != 0:
        yield warning(
            (
                "異常終了するとコアファイルに会話とパスワードが残ります",
                "A crash would write conversations and passwords into a core file",
            ),
            (
                "サービスに LimitCORE=0 を、switch.conf.xml に dump-cores no を設定してください。",
                "Set LimitCORE=0 in its service and dump-cores to no in switch.conf.xml, unless you "
                "are hunting a crash.",
            ),
        )


@check("ntp", "機械の時計は同期しています", "The machine's clock is kept by NTP")
def ntp(facts: Facts) -> Iterator[Finding]:
    """The kernel knows whether somebody disciplines its clock (adjtimex)."""
    if facts.machine is None or facts.machine.clock_synchronised is None:
        yield unseen(ELSEWHERE)
    elif not facts.machine.clock_synchronised:
        yield warning(
            (
                "この機械の時計は同期していません",
                "Nobody keeps this machine's clock: the times of calls and charges drift",
            ),
            (
                "`sudo apt install chrony` などでNTPを動かしてください。",
                "Run an NTP client, for example `sudo apt install chrony`.",
            ),
        )


@check("clock-source", "時計の源は速いものです", "The kernel reads a fast clock")
def clock_source(facts: Facts) -> Iterator[Finding]:
    """A virtual machine that fell back to a slow clock stutters: voice leaves every 20 ms."""
    if facts.machine is None or not facts.machine.clock_source:
        yield unseen(ELSEWHERE)
    elif facts.machine.clock_source in SLOW_CLOCKS:
        yield warning(
            (
                f"時計の源が {facts.machine.clock_source} です",
                f"The kernel's clock is {facts.machine.clock_source}, which is slow: voice may stutter",
            ),
            (
                "仮想マシンの設定で kvm-clock か tsc を使えるようにしてください。",
                "Let the virtual machine use kvm-clock or tsc (/sys/devices/system/clocksource/clocksource0).",
            ),
        )


@check("call-records", "通話記録(CDR)は書かれ、読めます", "The switch writes its call records where we read them")
def call_records(facts: Facts) -> Iterator[Finding]:
    """Without them the end of a call that nobody heard stays an estimate, and is not charged."""
    if facts.switch.modules is not None and not facts.switch.modules.get("mod_json_cdr"):
        if not facts.switch.simulated:
            yield error(
                (
                    "mod_json_cdr がありません。切断を聞き逃した通話は課金されません",
                    "mod_json_cdr is not loaded: a call whose end was not heard is never charged",
                ),
                (
                    "`toritsugi freeswitch install` のあと `fs_cli -x 'load mod_json_cdr'` をしてください"
                    "(パッケージは freeswitch-mod-json-cdr)。",
                    "Run `toritsugi freeswitch install`, then `fs_cli -x 'load mod_json_cdr'` "
                    "(Debian's package: freeswitch-mod-json-cdr).",
                ),
            )
        return
    if facts.part("json_cdr.conf") is not None:
        yield from _record_settings(facts)
    if facts.machine is None or "cdr" not in facts.machine.folders:
        yield unseen(ELSEWHERE)
    else:
        yield from _usable(facts.machine.folders["cdr"], facts.machine.process, "通話記録", "call records")
        yield from _piling_up(facts.machine.folders["cdr"])
        yield from _looked_for(facts.expected.cdr_dir, facts.machine.folders["cdr"])


def _record_settings(facts: Facts) -> Iterator[Finding]:
    if facts.parameter("json_cdr.conf", "url"):
        yield warning(
            (
                "json_cdr.conf.xml に url があります。送信中は通話が待ちます",
                "json_cdr.conf.xml has a url: each call waits for that server at its end",
            ),
            ("url を消し、log-dir だけにしてください。", "Remove it and keep log-dir alone."),
        )
    if facts.parameter("json_cdr.conf", "queue-capacity"):
        yield warning(
            (
                "json_cdr.conf.xml に queue-capacity があります",
                "json_cdr.conf.xml has a queue-capacity: what waits in it is lost at shutdown",
            ),
            ("queue-capacity を消してください。", "Remove it and run `fs_cli -x 'reload mod_json_cdr'`."),
        )
    if facts.parameter("json_cdr.conf", "log-b-leg") != "true":
        yield error(
            (
                "json_cdr.conf.xml が相手側の記録を書きません(log-b-leg)",
                "json_cdr.conf.xml leaves out the legs that we dial (log-b-leg)",
            ),
            ("log-b-leg を true にしてください。", "Set log-b-leg to true and run `fs_cli -x 'reload mod_json_cdr'`."),
        )


def _looked_for(cdr_dir: str | None, folder: Folder) -> Iterator[Finding]:
    if cdr_dir is not None and cdr_dir.rstrip("/") != folder.path.rstrip("/"):
        yield error(
            (
                f"エージェントの設定の cdr_dir は「{cdr_dir}」ですが、交換機は {folder.path} に書きます",
                f"The agent's settings look for call records in {cdr_dir or 'no folder'}, the switch "
                f"writes to {folder.path}",
            ),
            (f"設定に cdr_dir: {folder.path} と書いてください。", f"Write cdr_dir: {folder.path} into the settings."),
        )


def _piling_up(folder: Folder) -> Iterator[Finding]:
    if folder.files >= MANY_FILES or (folder.files and folder.oldest_s > OLD_S):
        yield warning(
            (
                f"{folder.path} に {folder.files} 個の記録がたまっています(最古 {folder.oldest_s / 3600:.1f} 時間前)",
                f"{folder.files} call records lie in {folder.path}, the oldest for {folder.oldest_s / 3600:.1f} hours",
            ),
            (
                "エージェントが動き、このフォルダーを読んでいるか確かめてください。",
                "See that the agent runs and that its settings name this folder: it takes each record away.",
            ),
        )


@check("readable", "交換機は設定ファイルをすべて読めます", "The switch may read each of its files")
def readable(facts: Facts) -> Iterator[Finding]:
    """A file that it may not read is left out without a word, and with it phones, carriers or passwords."""
    if facts.machine is None or facts.machine.process is None or facts.files is None:
        yield unseen(ELSEWHERE)
        return
    process = facts.machine.process
    closed = [path for path, owned in facts.owners.items() if not _allows(process, owned.uid, owned.gid, owned.mode, 4)]
    if closed:
        yield error(
            (f"交換機は {listed(closed)} を読めません", f"The switch may not read {listed(closed)}"),
            (
                f"{facts.prefix} でそれぞれ `chown freeswitch: ファイル` をして、reloadxml をしてください。",
                f"Give each to the switch's user, `chown freeswitch: FILE` in {facts.prefix}, and "
                "run `fs_cli -x reloadxml`.",
            ),
        )


@check("recordings", "録音のフォルダーは使えます", "Recordings can be written and read")
def recordings(facts: Facts) -> Iterator[Finding]:
    """The folder of the settings, which the switch writes into."""
    if facts.machine is None or "recordings" not in facts.machine.folders:
        yield unseen(ELSEWHERE)
    else:
        yield from _usable(facts.machine.folders["recordings"], facts.machine.process, "録音", "recordings")


def _usable(folder: Folder, process: Process | None, ja: str, en: str) -> Iterator[Finding]:
    """Exists, written by the switch, read by us, with room of its own."""
    if not folder.exists:
        yield error(
            (f"{ja}のフォルダー {folder.path} がありません", f"The folder for {en}, {folder.path}, is not there"),
            (
                f"`install -d -o freeswitch -g freeswitch -m 750 {folder.path}` "
                "を実行してください(コンテナなら同じ場所に置くこと)。",
                f"Make it: `install -d -o freeswitch -g freeswitch -m 750 {folder.path}` (in a "
                "container: mount it at the same path).",
            ),
        )
        return
    if process is not None and not may_write(folder, process):
        yield error(
            (f"交換機は {folder.path} に書けません", f"The switch may not write into {folder.path}"),
            (
                f"`chown freeswitch {folder.path}` を実行してください。",
                f"Give it to the switch's user: `chown freeswitch {folder.path}`.",
            ),
        )
    if not folder.readable or not folder.writable:
        yield warning(
            (
                f"このユーザーは {folder.path} を読み書きできません",
                f"Whoever runs this may not read and clear {folder.path}",
            ),
            (
                "エージェントのユーザーを freeswitch グループに入れ、フォルダーを 770 にしてください。",
                "Put the agent's user into the switch's group and give the group rights: `chmod 770`.",
            ),
        )
    if folder.free_bytes < LOW_BYTES:
        say = error if folder.free_bytes < VERY_LOW_BYTES else warning
        yield say(
            (
                f"{folder.path} の空きは {folder.free_bytes >> 20} MB です",
                f"{folder.path} has {folder.free_bytes >> 20} MB left",
            ),
            (
                "場所を空けてください。満杯になると記録は失われます。",
                "Make room: on a full disk the switch throws records away.",
            ),
        )
    if not folder.own_file_system:
        yield warning(
            (
                f"{folder.path} は / と同じディスクにあります",
                f"{folder.path} is on the same file system as /: a full log would cost {en}",
            ),
            ("専用のファイルシステムに置いてください。", "Give it a file system of its own."),
        )


def may_write(folder: Folder, process: Process) -> bool:
    """Into a folder: writing, and passing through it."""
    return _allows(process, folder.uid, folder.gid, folder.mode, 3)


def _allows(process: Process, uid: int, gid: int, mode: int, rights: int) -> bool:
    """By owner, group and mode, as the kernel decides it; `rights`: 4 read, 2 write, 1 pass."""
    if process.uid == 0:
        return True
    shift = 6 if process.uid == uid else 3 if gid in process.groups else 0
    return mode >> shift & rights == rights


@check("prompts", "案内の音声はそろっています", "Every prompt is there, or tones are meant")
def prompts(facts: Facts) -> Iterator[Finding]:
    """Where `sounds_dir` is set, a missing prompt is silence."""
    if not facts.expected.sounds_dir:
        return
    if facts.machine is None:
        yield unseen(ELSEWHERE)
        return
    missing = [name for name in ("confirm", "voicemail", "closed", "not_in_use") if name not in facts.expected.prompts]
    if missing:
        yield error(
            (
                f"{facts.expected.sounds_dir} に {listed(missing)} がありません",
                f"{facts.expected.sounds_dir} lacks {listed(f'{name}.wav' for name in missing)}",
            ),
            (
                "WAV(8 kHz、モノラル)を置くか、設定から sounds_dir を消してください(トーンになります)。",
                "Put them there (WAV, 8 kHz, mono), or take sounds_dir out of the settings: tones are heard then.",
            ),
        )


@check("core-database", "交換機の内部データベースは手元にあります", "The switch's own database is on a local disk")
def core_database(facts: Facts) -> Iterator[Finding]:
    """Every change of every leg is written there; calls wait for a slow one."""
    folder = None if facts.machine is None else facts.machine.folders.get("db")
    if folder is None or not folder.file_system:
        yield unseen(ELSEWHERE)
    elif folder.file_system in NETWORK | PASSING:
        yield warning(
            (
                f"{folder.path} は {folder.file_system} にあります",
                f"{folder.path} is on {folder.file_system}: every leg is written there",
            ),
            (
                "core-db-name を /dev/shm/core.db にするか、手元のディスクに置いてください。",
                "Set core-db-name to /dev/shm/core.db in switch.conf.xml, or move the folder to a local disk.",
            ),
        )


CHECKS = (limits, ntp, clock_source, call_records, readable, recordings, prompts, core_database)
