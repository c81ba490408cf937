"""A virtual host of RabbitMQ in which every process is a user of its own with the least rights: as the guide says.

Enters: a broker and a folder. Leaves: settings of each process (TLS, a password in a file, nothing declared), addresses
of users for tests that try what they may not. Everything is made by `toritsugi bus definitions` itself.
"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner

from services.cli import main
from tests.rabbitmq import Broker

_numbers = itertools.count()


@dataclass(frozen=True)
class OwnUsers:
    """One virtual host with its users."""

    broker: Broker
    folder: Path
    vhost: str

    def password(self, user: str) -> str:
        """As it stands in the file that the command made."""
        return (self.folder / "amqp" / user).read_text(encoding="utf-8").strip()

    def url(self, user: str) -> str:
        """Without TLS, for a client of a few lines."""
        return f"amqp://{user}:{self.password(user)}@127.0.0.1:{self.broker.port}/{self.vhost}"

    def settings(self, user: str) -> Path:
        """A settings file for the process that is this user."""
        file = self.folder / f"{user}.yaml"
        file.write_text(
            f"bus: amqps://{user}@localhost:{self.broker.tls_port}/{self.vhost}\n"
            f"bus_password_file: {self.folder}/amqp/{user}\n"
            f"bus_tls: {{ca_file: {self.folder}/ca.pem, certificate_file: {self.folder}/us.pem}}\n"
            "bus_declares: no\n",
            encoding="utf-8",
        )
        return file

    def refusals(self) -> list[str]:
        """What the broker has refused in this virtual host, out of its log."""
        here = f"in vhost '{self.vhost}'"
        return [line for line in self.broker.log().splitlines() if "access_refused" in line and here in line]


def own_users(broker: Broker, folder: Path, *, switch: str = "fs1", tenants: tuple[str, ...] = ()) -> OwnUsers:
    """A fresh virtual host in which only these users may do anything, and the broker's own address everything."""
    made = OwnUsers(broker, folder, f"own{next(_numbers)}")
    names = [argument for tenant in tenants for argument in ("--tenant", tenant)]
    where = ["--vhost", made.vhost, "--passwords", str(folder / "amqp")]
    told = CliRunner().invoke(main, ["bus", "definitions", "--switch", switch, *names, *where])
    assert told.exit_code == 0, told.output
    definitions = json.loads(told.stdout)
    everything = {"configure": ".*", "write": ".*", "read": ".*"}
    definitions["permissions"].append({"user": "tests", "vhost": made.vhost, **everything})
    (folder / "definitions.json").write_text(json.dumps(definitions), encoding="utf-8")
    broker.control("import_definitions", str(folder / "definitions.json"))
    broker.ca.cert_pem.write_to_path(folder / "ca.pem")
    broker.ca.issue_cert("house.example").private_key_and_cert_chain_pem.write_to_path(folder / "us.pem")
    return made
