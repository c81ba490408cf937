"""`python -m tests.faults.nursery`: bears services as processes of their own, quickly: it has imported them already.

Enters: on stdin one JSON line a birth: arguments of `toritsugi run`, environment, files for orders and log. Leaves: on
stdout the pid. A child is an ordinary process of the command, forked in place of started; it dies with the nursery.
"""

from gevent import monkey

monkey.patch_all()

import ctypes  # noqa: E402
import gc  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import traceback  # noqa: E402
from contextlib import suppress  # noqa: E402
from importlib import import_module  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from services.rooms import AGENT, BUILDS, metadata_of  # noqa: E402
from services.run import main as run  # noqa: E402
from services.runtime.store import schema  # noqa: E402
from tests.faults.mortal import obey  # noqa: E402
from tests.faults.orders import Orders  # noqa: E402

LATE = (
    "encodings.idna",
    "gevent.resolver.thread",
    "jinja2.ext",
    "services.runtime.store.postgresql",
    "sqlalchemy.dialects.sqlite",
)
"""What a service imports when it meets such an address, page or database."""
PR_SET_PDEATHSIG = 1


def _live(birth: dict[str, Any]) -> None:
    """The whole life of a child."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with Path(birth["log"]).open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.setsid()
    for name in [name for name in os.environ if name.startswith("TORITSUGI_")]:
        del os.environ[name]
    os.environ.update(birth["environment"])
    if birth["orders"]:
        obey(Orders(Path(birth["orders"])), Path(birth["words"]), agent=birth["agent"])
    run(birth["arguments"], prog_name="toritsugi run")


def main() -> None:
    """One birth per line, until stdin ends."""
    for name in LATE:
        import_module(name)
    for name in (*BUILDS, f"{AGENT}.fs1"):
        schema._of(metadata_of(name)).get_heads()  # the files of their revisions are read once
    gc.collect()
    gc.freeze()
    print("ready", flush=True)
    for line in sys.stdin:
        birth = json.loads(line)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:  # the dead are nobody's business here
                continue
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                _live(birth)
            except SystemExit as end:
                code = int(end.code or 0)
            except BaseException:
                traceback.print_exc()
            sys.stderr.flush()
            os._exit(code)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
