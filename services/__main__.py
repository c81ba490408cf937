"""`python -m services`: puts gevent in place, then runs what `services/run.py` composes."""

from gevent import monkey

monkey.patch_all()

from services.run import main  # noqa: E402

if __name__ == "__main__":
    main()
