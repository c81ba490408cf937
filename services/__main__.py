"""`python -m services`: puts gevent in place, then runs what `services/run.py` composes."""

from gevent import monkey

monkey.patch_all()

import os  # noqa: E402

from services.run import main  # noqa: E402

if __name__ == "__main__":
    os.umask(0o077)  # stores, journal, spool and recordings hold calls: they are nobody else's on this machine
    main(prog_name="toritsugi run")
