"""A module run as the product's processes run, with gevent in place: `python -m tests.bench.patched MODULE …`.

Enters: a module's name and its arguments. Leaves: whatever it does. Peers that a user would run without gevent are
started by themselves.
"""

from gevent import monkey

monkey.patch_all()

import runpy  # noqa: E402
import sys  # noqa: E402

if __name__ == "__main__":
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
