"""Checks of the switch itself: version, safety of its text, modules, Event Socket, rights, time, limits. Pure.

Enters: facts. Leaves: findings. SIP and the dialplan are `sip_checks.py` and `dialplan_checks.py`; the machine under
the switch is `machine_checks.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.eventsocket.doctor.facts import Facts, Listening
from services.eventsocket.doctor.finding import Finding, check, error, listed, unseen, warning

NEEDED = {
    "mod_commands": ("命令", "commands"),
    "mod_dptools": ("アプリケーション", "applications"),
    "mod_dialplan_xml": ("ダイヤルプラン", "the dialplan"),
    "mod_sofia": ("SIP", "SIP"),
    "mod_event_socket": ("イベントソケット", "the Event Socket"),
    "mod_hash": (
        "通話数の制限(ないと、緊急通報以外はすべて断られます)と、コマンドの二重実行の防止",
        "the limits of calls (without it every call but an emergency call is refused), and no command done twice",
    ),
    "mod_sndfile": ("録音とWAV", "recordings and WAV files"),
    "mod_tone_stream": ("トーン", "tones"),
    "mod_local_stream": ("保留音", "music"),
}
"""Modules without which calls go wrong, and what for."""
SINKS = {
    "mod_event_multicast": ("イベントを暗号化せずネットワークに流します", "sends every event over the network"),
    "mod_erlang_event": ("別の入口を開きます(クッキーで保護)", "opens another door, kept by a cookie"),
    "mod_xml_rpc": ("別の入口を開きます(初期パスワード works)", "opens another door, whose stock password is works"),
    "mod_xml_curl": (
        "設定をHTTPから受け取るので、ファイルが実際と違うことがあります",
        "may answer in the place of the files",
    ),
    "mod_amqp": ("詰まるとイベントを黙って捨てます", "drops events without a word when its queue is full"),
    "mod_signalwire": ("外部のSignalWireに接続します", "connects to SignalWire outside"),
    "mod_verto": ("WebSocketの入口を開きます", "opens a door for browsers"),
}
"""Modules that listen, send or answer beside us."""
ALL_ADDRESSES = ("::", "0.0.0.0", "[::]")  # noqa: S104  (what is looked for, not bound)
SESSIONS_PER_CALL = 2.2
"""Two, and a tenth more for phones that ring together and for emergency calls."""
CLOCK_ERROR_US = 2_000_000
CLOCK_WARNING_US = 250_000
_VERSION = re.compile(r"FreeSWITCH Version (\d+)\.(\d+)")


@check("simulator", "本物のFreeSWITCHです", "This is a real FreeSWITCH")
def simulator(facts: Facts) -> Iterator[Finding]:
    """Whoever looks at the simulator must know it."""
    if facts.switch.simulated:
        yield unseen(
            (
                "これはシミュレータ(simulator)です。多くの項目は調べられません",
                "This is the simulator: much cannot be looked at",
            )
        )


@check("version", "FreeSWITCHの版は対応しています", "The version of FreeSWITCH is known to us")
def version(facts: Facts) -> Iterator[Finding]:
    """1.10 and 1.11 have what plans need."""
    found = _VERSION.match(facts.switch.version)
    if found is None:
        yield warning(
            (
                f"版が読み取れません:「{facts.switch.version[:60]}」",
                f"Its version cannot be read: {facts.switch.version[:60]!r}",
            ),
            ("FreeSWITCH 1.10か1.11を使ってください。", "Run FreeSWITCH 1.10 or 1.11."),
        )
        return
    number = f"{found[1]}.{found[2]}"
    if (int(found[1]), int(found[2])) < (1, 10):
        yield error(
            (f"FreeSWITCH {number} は古すぎます", f"FreeSWITCH {number} is too old"),
            ("1.10か1.11に上げてください。", "Upgrade to 1.10 or 1.11."),
        )
    elif (int(found[1]), int(found[2])) > (1, 11):
        yield warning(
            (f"FreeSWITCH {number} では試していません", f"Nobody has tried FreeSWITCH {number} with us"),
            (
                "`toritsugi simulate record` で記録を送ってください。",
                "Try calls on a spare switch before customers do.",
            ),
        )


@check("api-expansion", "テキストからAPIは実行されません", "No text can run a command of the switch")
def api_expansion(facts: Facts) -> Iterator[Finding]:
    """`${system(…)}` in any text that reaches a plan would run (switch.conf, api-expansion)."""
    in_file = facts.parameter("switch.conf", "api-expansion")
    if facts.switch.expansion == "off":
        return
    if in_file == "false":
        yield error(
            (
                "api-expansion はまだ有効です(ファイルではfalse)",
                "api-expansion is still on, although the file says false",
            ),
            ("FreeSWITCHを再起動してください。", "Restart FreeSWITCH: switch.conf.xml is read at its start only."),
        )
        return
    yield error(
        (
            "api-expansion が有効です。発信者の文字列がコマンドになり得ます",
            "api-expansion is on: a caller's text could run commands",
        ),
        (
            "autoload_configs/switch.conf.xml で api-expansion を false "
            "にして再起動してください(`toritsugi freeswitch install` が行います)。",
            "Set api-expansion to false in autoload_configs/switch.conf.xml and restart FreeSWITCH "
            "(`toritsugi freeswitch install` sets it).",
        ),
    )


@check("modules", "必要なモジュールはすべて入っています", "All modules that calls need are loaded")
def modules(facts: Facts) -> Iterator[Finding]:
    """Each missing module by name, with what does not work without it."""
    if facts.switch.modules is None:
        yield unseen(("モジュールを調べられません", "The switch does not say which modules it has"))
        return
    for name, (ja, en) in NEEDED.items():
        if facts.switch.modules.get(name) is False:
            yield error(
                (f"{name} がありません({ja})", f"{name} is not loaded: {en} will not work"),
                (
                    f"パッケージを入れ、modules.conf.xml に書き、`fs_cli -x 'load {name}'` を実行してください。",
                    f"Install it, add <load module=\"{name}\"/> to modules.conf.xml and run `fs_cli -x 'load {name}'`.",
                ),
            )


@check("event-sinks", "ほかにイベントの出口はありません", "Nothing else takes events or answers for the files")
def event_sinks(facts: Facts) -> Iterator[Finding]:
    """Modules that listen, send or answer beside us."""
    for name, (ja, en) in SINKS.items():
        if (facts.switch.modules or {}).get(name):
            yield warning(
                (f"{name} が動いています。{ja}", f"{name} is loaded: it {en}"),
                (
                    f"不要なら modules.conf.xml から {name} を外してください。",
                    f"If you do not need it, take {name} out of modules.conf.xml.",
                ),
            )


@check("event-socket-password", "イベントソケットのパスワードは独自です", "The Event Socket has a password of its own")
def event_socket_password(facts: Facts) -> Iterator[Finding]:
    """ClueCon is what everybody tries first."""
    written = facts.parameter("event_socket.conf", "password")
    if facts.expected.stock_password or written == "ClueCon":
        yield error(
            (
                "イベントソケットのパスワードが初期値 ClueCon です",
                "The Event Socket still has the stock password ClueCon",
            ),
            (
                "`toritsugi freeswitch install` を実行し、`fs_cli -x 'reload mod_event_socket'` をしてください。",
                "Run `toritsugi freeswitch install`, which makes one, then `fs_cli -x 'reload mod_event_socket'`.",
            ),
        )
    elif written is not None and (len(written) < 8 or "$${" in written):
        yield error(
            ("イベントソケットのパスワードが短いか空です", "The Event Socket's password is short or empty"),
            (
                "8文字以上のパスワードを設定してください。",
                "Set one of at least 8 characters and reload mod_event_socket.",
            ),
        )


@check(
    "event-socket-address",
    "イベントソケットはこの機械だけに開いています",
    "The Event Socket listens on this machine only",
)
def event_socket_address(facts: Facts) -> Iterator[Finding]:
    """From the kernel's own list, else from the configuration."""
    wide = [one.address for one in _esl_sockets(facts) if not _is_loopback(one.address)]
    written = facts.parameter("event_socket.conf", "listen-ip")
    if not wide and not _esl_sockets(facts) and written is not None and not _is_loopback(written):
        wide = [written]
    if wide:
        yield error(
            (f"イベントソケットが {listed(wide)} で待っています", f"The Event Socket listens on {listed(wide)}"),
            (
                "event_socket.conf.xml の listen-ip を 127.0.0.1 にし、mod_event_socket を再読込してください。",
                "Set listen-ip to 127.0.0.1 in event_socket.conf.xml and run `fs_cli -x 'reload mod_event_socket'`.",
            ),
        )
    elif written in ALL_ADDRESSES:
        yield warning(
            (
                f"event_socket.conf.xml には listen-ip {written} とあります",
                f"event_socket.conf.xml says listen-ip {written}",
            ),
            ("127.0.0.1 にしてください。", "Set it to 127.0.0.1 before the switch is started again."),
        )
    elif written is None and not _esl_sockets(facts):
        yield unseen(("待受アドレスを調べられません", "Where it listens cannot be seen from here"))


def _esl_sockets(facts: Facts) -> list[Listening]:
    if facts.machine is None:
        return []
    return [one for one in facts.machine.listening if one.kind == "tcp" and one.port == facts.expected.port]


def _is_loopback(address: str) -> bool:
    return address.startswith("127.") or address in ("::1", "localhost")


@check("event-socket-acl", "イベントソケットはACLでも守られています", "The Event Socket lets only this machine in")
def event_socket_acl(facts: Facts) -> Iterator[Finding]:
    """The second lock, should the first be opened one day."""
    if facts.part("event_socket.conf") is None:
        yield unseen(("event_socket.conf.xml を読めません", "event_socket.conf.xml cannot be read"))
    elif not facts.parameter("event_socket.conf", "apply-inbound-acl"):
        yield warning(
            ("イベントソケットにACLがありません", "The Event Socket has no list of addresses"),
            (
                "event_socket.conf.xml に apply-inbound-acl loopback.auto を加えてください。",
                'Add <param name="apply-inbound-acl" value="loopback.auto"/> to event_socket.conf.xml.',
            ),
        )


@check("rights", "エージェントの命令はすべて許されています", "The log-in may send all that the agent sends")
def agent_rights(facts: Facts) -> Iterator[Finding]:
    """A `userauth` log-in may be narrowed too far (esl-allowed-api, esl-allowed-events)."""
    rights = facts.switch.rights
    if rights.log_in:
        yield error(
            (f"エージェントはログインできません({rights.log_in})", f"The agent cannot log in ({rights.log_in})"),
            (
                "toritsugi/secrets.xml を交換機が読めるか確かめ、`fs_cli -x reloadxml` をしてください。",
                "See that the switch may read toritsugi/secrets.xml, then run `fs_cli -x reloadxml`.",
            ),
        )
    if rights.refused:
        yield error(
            (
                f"許されていない命令: {listed(rights.refused, 12)}",
                f"It may not send {listed(rights.refused, 12)}",
            ),
            (
                "そのユーザーの esl-allowed-api に加え、reloadxml をしてください。",
                "Add them to esl-allowed-api of that user in the directory and run `fs_cli -x reloadxml`.",
            ),
        )
    if not rights.takes_subscription:
        yield error(
            ("購読できないイベントがあります", "It may not hear all events that the agent needs"),
            (
                "そのユーザーの esl-allowed-events を ALL にし、reloadxml をしてください。",
                "Set esl-allowed-events to ALL for that user in the directory and run `fs_cli -x reloadxml`.",
            ),
        )


@check("stalled-clients", "詰まっている接続はありません", "No other Event Socket client has stopped reading")
def stalled_clients(facts: Facts) -> Iterator[Finding]:
    """One client that does not read stops every other, and in the end the switch."""
    if facts.machine is None:
        yield unseen(("交換機は別の機械にあります", "The switch runs on another machine"))
    elif facts.machine.stalled:
        yield error(
            (
                f"{listed(facts.machine.stalled)} がイベントを読んでいません",
                f"{listed(facts.machine.stalled)} is connected to the Event Socket and does not read",
            ),
            (
                "そのプログラムを止めてください。放置すると交換機全体が止まります。",
                "Stop that program: its unread events will stop the whole switch for minutes.",
            ),
        )


@check("clock-offset", "交換機の時計は合っています", "The switch's clock agrees with ours")
def clock_offset(facts: Facts) -> Iterator[Finding]:
    """Charges are made from the switch's stamps."""
    offset_us = facts.switch.clock_offset_us
    if offset_us is None:
        yield unseen(("時刻を聞けません", "The switch does not tell the time"))
    elif abs(offset_us) >= CLOCK_WARNING_US:
        say = error if abs(offset_us) >= CLOCK_ERROR_US else warning
        yield say(
            (
                f"交換機の時計が {offset_us / 1e6:+.2f} 秒ずれています",
                f"Its clock is {offset_us / 1e6:+.2f} s away from ours",
            ),
            (
                "NTPを動かし、`fs_cli -x 'fsctl sync_clock'` を実行してください。",
                "Run NTP on both machines, then `fs_cli -x 'fsctl sync_clock'`.",
            ),
        )


@check("session-limits", "同時通話数の上限は十分です", "The limits of sessions leave room")
def session_limits(facts: Facts) -> Iterator[Finding]:
    """A call is two legs; a caller beyond the limit hears nothing but an error."""
    most, rate = facts.switch.max_sessions, facts.switch.sessions_per_second
    if most is None or rate is None:
        yield unseen(("上限を調べられません", "The limits cannot be asked"))
        return
    if most < 100:
        yield warning(
            (f"max-sessions が {most} です(1通話で2つ使います)", f"max-sessions is {most}, and a call takes two"),
            ("switch.conf.xml で 1000 以上にしてください。", "Set it to 1000 or more in switch.conf.xml."),
        )
    calls = facts.switch.variables.get("tt_calls_at_once", "")
    if re.fullmatch(r"[0-9]{1,9}", calls) and most < int(calls) * SESSIONS_PER_CALL:
        yield warning(
            (
                f"tt_calls_at_once は {calls} ですが、max-sessions は {most} です。満杯のとき110も断られます",
                f"tt_calls_at_once is {calls} and max-sessions {most}: when all is taken, 110 is refused too",
            ),
            (
                "tt_max_sessions を tt_calls_at_once の 2.2 倍以上にしてください(toritsugi/local.xml)。",
                "Set tt_max_sessions to 2.2 times tt_calls_at_once or more (toritsugi/local.xml), restart FreeSWITCH.",
            ),
        )
    if rate < 10:
        yield warning(
            (f"sessions-per-second が {rate} です", f"sessions-per-second is {rate}"),
            ("switch.conf.xml で 30 以上にしてください。", "Set it to 30 or more in switch.conf.xml."),
        )


@check("log-level", "ログは控えめです", "The log holds no more than needed")
def log_level(facts: Facts) -> Iterator[Finding]:
    """At debug the log names every caller, and costs time in every call."""
    if facts.parameter("switch.conf", "loglevel") in ("debug", "info", "7", "6"):
        yield warning(
            (
                "ログが詳しすぎます(loglevel)。電話番号が残り、遅くなります",
                "Its loglevel is debug or info: every caller's number stands in the log, and calls get slower",
            ),
            (
                "switch.conf.xml の loglevel を warning にし、`fs_cli -x 'fsctl loglevel warning'` をしてください。",
                "Set loglevel to warning in switch.conf.xml and run `fs_cli -x 'fsctl loglevel warning'`.",
            ),
        )


CHECKS = (
    simulator,
    version,
    api_expansion,
    modules,
    event_sinks,
    event_socket_password,
    event_socket_address,
    event_socket_acl,
    agent_rights,
    stalled_clients,
    clock_offset,
    session_limits,
    log_level,
)
