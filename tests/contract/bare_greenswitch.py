"""Bare greenswitch before a hostile switch, in a process of its own: `python -m tests.contract.bare_greenswitch`.

Enters: port and scenario. Leaves: lines `name value` on stdout of what was seen; whoever started it ends it if it does
not end by itself. It must run apart: one of the defects freezes the whole process.
"""

from gevent import monkey

monkey.patch_all()

import logging  # noqa: E402
import sys  # noqa: E402
from typing import Any  # noqa: E402

import gevent  # noqa: E402
from greenswitch import InboundESL  # noqa: E402

PATIENCE_S = 1.0
ENOUGH = 5_000
"""Events behind a handler that does not keep up."""


def say(name: str, value: object) -> None:
    print(name, value, flush=True)


def within(name: str, work: Any) -> None:
    """Say what `work` came to, or that it hangs."""
    try:
        with gevent.Timeout(PATIENCE_S):
            say(name, work())
    except gevent.Timeout:
        say(name, "hangs")
    except Exception as error:
        say(name, type(error).__name__)


def main(port: int, scenario: str) -> None:
    logging.disable(logging.CRITICAL)
    say("started", "")
    link = InboundESL("127.0.0.1", port, "pw", timeout=1)
    events: list[dict[str, str]] = []
    disconnects: list[object] = []
    wait_s = 0.02 if scenario == "flood" else 0.0

    def take(event: Any) -> None:
        events.append(event.headers)
        gevent.sleep(wait_s)

    link.register_handle("*", take)
    link.register_handle("DISCONNECT", disconnects.append)
    within("connect", lambda: link.connect() or "done")
    if scenario == "slow_reader":
        say("ready", "")
        within("send", lambda: link.send("api " + "x" * 16_000_000).data)
    elif scenario == "echo":
        within("send", lambda: link.send("api echo a\n\napi evil").data)
        link.sock.shutdown(2)
        gevent.sleep(0.2)
        within("again", lambda: link.connect() or "done")
    elif scenario == "stalled":
        senders = [gevent.spawn(within, name, lambda: link.send("api fill " + "x" * 16_000_000)) for name in "abcdefgh"]
        gevent.joinall(senders)
    elif scenario == "flood":
        with gevent.Timeout(40, False):
            while link._esl_event_queue.qsize() <= ENOUGH:
                gevent.sleep(0.05)
        say("queued", link._esl_event_queue.qsize())
    else:
        gevent.sleep(0.3)
        within("send", lambda: link.send("api status").data)
    gevent.sleep(0.3)
    say("events", len(events))
    say("tenant", events[0].get("variable_tt_tenant") if events else "")
    say("connected", link.connected)
    say("disconnects", len(disconnects))
    say("over", "")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
