"""Runs the tests with gevent in place, as the services run: `python -m tests [pytest's arguments]`."""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402

import pytest  # noqa: E402

if __name__ == "__main__":
    sys.exit(pytest.main(sys.argv[1:] or ["tests", "--ignore=tests/browser"]))
