"""A store on PostgreSQL by TLS: the server proves itself by a CA of the operator's, or nothing is said to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from sqlalchemy import MetaData, text

from services.runtime.bus import Unavailable
from services.runtime.settings import load
from services.runtime.store import Store
from tests.postgres import Postgres


@pytest.fixture(scope="module")
def ca(postgres: Postgres) -> Iterator[trustme.CA]:
    one = trustme.CA()
    with postgres.tls(one):
        yield one


@pytest.fixture
def root(ca: trustme.CA, tmp_path: Path) -> Path:
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return tmp_path / "ca.pem"


def opened(server: Postgres, root: Path, host: str = "localhost", mode: str = "verify-full") -> Store:
    """As the settings make it: the address in the file, the password in a file of its own."""
    address, _, place = server.url().rpartition("@")
    user, password = address.rpartition("//")[2].split(":")
    (root.parent / "password").write_text(password, encoding="utf-8")
    (root.parent / "password").chmod(0o600)
    (root.parent / "own.yaml").write_text(
        f"database: postgresql://{user}@{place.replace('127.0.0.1', host)}?sslmode={mode}&sslrootcert={root}\n"
        f"database_password_file: {root.parent}/password\n",
        encoding="utf-8",
    )
    return Store(load(root.parent / "own.yaml", {}).database, MetaData())


def test_what_is_written_goes_by_tls(postgres: Postgres, root: Path) -> None:
    store = opened(postgres, root)
    store.start()
    try:
        asked = text("SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        encrypted, version = store.run(lambda tx: tx.sql.execute(asked).one())
        assert encrypted
        assert version in ("TLSv1.2", "TLSv1.3")
    finally:
        store.stop()


def refused(store: Store) -> str:
    with pytest.raises(Unavailable) as why:
        store.start()
    store.stop()
    return str(why.value)


def test_a_server_whose_certificate_another_signed_is_refused(postgres: Postgres, root: Path, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    assert "certificate verify failed" in refused(opened(postgres, tmp_path / "other.pem"))


def test_a_certificate_for_another_host_is_refused(postgres: Postgres, root: Path) -> None:
    assert "does not match host name" in refused(opened(postgres, root, "127.0.0.1"))


def test_a_server_without_tls_is_refused(postgres: Postgres, root: Path) -> None:
    postgres._set_tls("off")
    try:
        assert "server does not support SSL" in refused(opened(postgres, root))
    finally:
        postgres._set_tls("on")
