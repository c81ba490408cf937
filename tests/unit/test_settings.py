# ruff: noqa: S106
"""Settings: what a process is told, and how a mistake is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.runtime.settings import BusTls, Settings, SettingsError, SwitchLink, Web, load

SAMPLES = Path(__file__).parents[2] / "deploy" / "settings"
SECRETS = {
    "TORITSUGI_BUS": "amqp://toritsugi:s3cret@rabbit/%2f",
    "TORITSUGI_SWITCH_FS1_PASSWORD": "s3cret",
}


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(path: Path | None, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load(path, environ)
    return caught.value.mistakes


@pytest.mark.parametrize("sample", sorted(SAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_each_sample_loads(sample: Path) -> None:
    settings = load(sample, {} if sample.stem == "small" else SECRETS)
    assert settings.switches[0].name == "fs1"
    if sample.stem != "small":
        assert settings.bus == SECRETS["TORITSUGI_BUS"]
        assert settings.partitions == 8
        assert "s3cret" not in repr(settings)
        assert "s3cret" not in sample.read_text(encoding="utf-8")


def test_there_is_a_sample_for_every_process() -> None:
    services = {"directory", "routing", "recording", "answering", "billing", "history", "connectors", "eventsocket"}
    assert {path.stem for path in SAMPLES.glob("*.yaml")} == services | {"small"}


def test_without_a_file_everything_has_a_safe_default() -> None:
    settings = load(None, {})
    assert settings == Settings()
    assert (settings.bus, settings.switches) == ("embedded:", ())
    assert settings.web.host == "127.0.0.1"
    assert not settings.allow_private_webhooks


def test_the_environment_wins(tmp_path: Path) -> None:
    path = write(tmp_path, "web: {port: 8080}\nlog_level: INFO\nallow_private_webhooks: no\n")
    environ = {
        "TORITSUGI_WEB_PORT": "9090",
        "TORITSUGI_WEB_HOST": "::1",
        "TORITSUGI_LOG_LEVEL": "DEBUG",
        "TORITSUGI_ALLOW_PRIVATE_WEBHOOKS": "true",
        "TORITSUGI_DATA_DIR": "elsewhere",
        "TORITSUGI_BUS": "amqps://rabbit",
        "PATH": "x",
    }
    settings = load(path, environ)
    assert settings.web == Web("::1", 9090)
    assert (settings.log_level, settings.allow_private_webhooks) == ("DEBUG", True)
    assert (settings.data_dir, settings.bus) == (Path("elsewhere"), "amqps://rabbit")


def test_secrets_come_from_files_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "esl").write_text("from-file\n", encoding="utf-8")
    (tmp_path / "bus").write_text("amqp://u:p@rabbit:5673/v\n", encoding="utf-8")
    path = write(
        tmp_path,
        f"bus_file: {tmp_path}/bus\n"
        f"switches:\n  - {{name: fs1, password_file: {tmp_path}/esl}}\n  - {{name: tokyo-2}}\n",
    )
    settings = load(path, {"TORITSUGI_SWITCH_TOKYO_2_PASSWORD": "from-env"})
    assert [switch.password for switch in settings.switches] == ["from-file", "from-env"]
    assert settings.bus == "amqp://u:p@rabbit:5673/v"
    assert "from-" not in repr(settings)
    assert "from-" not in f"{settings.switches}"


def test_a_bus_takes_its_password_from_a_file_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "routing").write_text("p/w:@%\n", encoding="utf-8")
    text = f"bus: amqps://routing@rabbit:5671/v\nbus_password_file: {tmp_path}/routing\n"
    settings = load(write(tmp_path, text), {})
    assert settings.bus == "amqps://routing:p%2Fw%3A%40%25@rabbit:5671/v"
    assert "p/w" not in repr(settings)
    by_variable = load(write(tmp_path, text.splitlines()[0]), {"TORITSUGI_BUS_PASSWORD": "other"})
    assert by_variable.bus == "amqps://routing:other@rabbit:5671/v"


def test_what_tls_trusts_and_shows(tmp_path: Path) -> None:
    text = "bus_tls: {ca_file: ca, certificate_file: c, key_file: k}\nweb: {certificate_file: w}\nbus_declares: no\n"
    settings = load(write(tmp_path, text), {"TORITSUGI_BUS_TLS_CA_FILE": "other", "TORITSUGI_WEB_KEY_FILE": "wk"})
    assert settings.bus_tls == BusTls(Path("other"), Path("c"), Path("k"))
    assert (settings.web.certificate_file, settings.web.key_file) == (Path("w"), Path("wk"))
    assert not settings.bus_declares


def warnings(path: Path | None, **environ: str) -> list[str]:
    heard: list[str] = []
    load(path, environ, heard.append)
    return heard


def test_a_secret_that_everybody_can_read_is_warned_about_once_for_each_file(tmp_path: Path) -> None:
    for name in ("esl", "phones", "web", "bus", "mine"):
        (tmp_path / name).write_text("s3cret", encoding="utf-8")
        (tmp_path / name).chmod(0o600 if name == "mine" else 0o644)
    path = write(
        tmp_path,
        f"bus: amqps://routing@rabbit/v\nbus_password_file: {tmp_path}/bus\nweb: {{key_file: {tmp_path}/web}}\n"
        f"switches:\n  - {{name: fs1, password_file: {tmp_path}/esl, credentials_file: {tmp_path}/phones}}\n"
        f"  - {{name: fs2, password_file: {tmp_path}/mine}}\n",
    )
    heard = warnings(path)
    assert sorted(line.partition(":")[0] for line in heard) == [
        f"{tmp_path}/{n}" for n in ("bus", "esl", "phones", "web")
    ]
    assert all("everybody on this machine can read this secret" in line and "s3cret" not in line for line in heard)
    assert not warnings(None, TORITSUGI_BUS="amqps://u:s3cret@rabbit/v")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.3.0.1:5672"])
def test_a_bus_on_this_machine_needs_no_tls(host: str) -> None:
    assert not warnings(None, TORITSUGI_BUS=f"amqp://u:p@{host}/v")


@pytest.mark.parametrize("host", ["rabbit", "10.0.0.1:5672", "localhost.example", "[2001:db8::1]"])
def test_a_bus_on_a_network_without_tls_is_warned_about(host: str) -> None:
    (only,) = warnings(None, TORITSUGI_BUS=f"amqp://u:s3cret@{host}/v")
    assert "amqps:// encrypts them" in only
    assert "s3cret" not in only


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("web:\n  port: 80800\n", ":2: web.port: '80800': allowed is a whole number from 0 to 65535"),
        ("web:\n  port: 0x50\n", ":2: web.port: '0x50': allowed is a whole number from 0 to 65535"),
        ("partitions: 0\n", ":1: partitions: '0': allowed is a whole number from 1 to 64"),
        ("log_level: LOUD\n", ":1: log_level: 'LOUD': allowed is one of DEBUG, INFO, WARNING, ERROR"),
        ("bus: redis://x\n", ":1: bus: 'redis://x': allowed is `embedded:` or `amqp://host[:port]/…`"),
        ("databases: postgresql://db/x\n", ":1: databases: is not known"),
        ("database: mysql://db/x\n", ":1: database: 'mysql://db/x': allowed is `sqlite` or `postgresql://"),
        ("database: postgresql://db\n", ":1: database: 'postgresql://db': allowed is `sqlite` or `postgresql://"),
        ("database: postgresql://u@h:99999/x\n", "'postgresql://…@h:99999/x': allowed is `sqlite`"),
        (
            "database: postgresql://u:s3cret@h/x\n",
            "holds a password; give it as TORITSUGI_DATABASE or in database_file",
        ),
        ("database: postgresql://h/x?user=u&password=s3cret\n", ":1: database: 'postgresql://h/x?…': allowed is"),
        ("database: postgresql://h/x?schema=y\n", ":1: database: 'postgresql://h/x?…': allowed is"),
        ("database_password: s3cret\n", ":1: database_password: a password must not stand in this file"),
        ("data_dir:\n", ":1: data_dir: '': allowed is a folder"),
        ("allow_private_webhooks: maybe\n", "'maybe': allowed is one of true, yes, false, no"),
        ("\nwebb: {}\n", ":2: webb: is not known; allowed are data_dir, bus,"),
        ("web: {host: a, host: b}\n", ":1: web.host: stands twice"),
        ("web: 8080\n", ":1: web: '8080': keys are expected here: host, port"),
        ("web: {port: [1]}\n", ":1: web.port: one value is expected here: a whole number"),
        ("switches: fs1\n", ":1: switches: 'fs1': a list is expected here"),
        ("switches:\n- host: x\n", ":2: switches[0].name: is missing: a-z 0-9 - _, at most 64"),
        ("switches:\n- {name: FS1}\n", ":2: switches[0].name: 'FS1': allowed is a-z 0-9 - _, at most 64"),
        ("switches: [{name: a}, {name: a}]\n", ":1: switches: 'a': every switch needs its own name"),
        (
            "switches: [{name: a, cdr_dir: /c}, {name: b, cdr_dir: /c/}]\n",
            "'/c': every switch needs a cdr_dir of its own",
        ),
        ("switches: [{name: a, cdr_keep_days: 0}]\n", "cdr_keep_days: '0': allowed is a whole number from 1 to 3660"),
        ("switches:\n- {name: a, password: x}\n", "a password must not stand in this file (use password_file or"),
        ("bus: amqp://u:s3cret@h\n", ":1: bus: holds a password; give it as TORITSUGI_BUS or in bus_file"),
        ("bus: amqps://u@h\n", ":1: bus: names a user without a password: bus_password_file or TORITSUGI_BUS_PASSWORD"),
        ("bus: amqps://h?ssl_options={}\n", ":1: bus: 'amqps://h?…': allowed is"),
        ("bus_password: s3cret\n", ":1: bus_password: a password must not stand in this file"),
        ("bus_file: nowhere/x\n", ":1: bus_file: 'nowhere/x': the file cannot be read"),
        ("switches:\n- {name: a, newline_every_ms: -1}\n", "'-1': allowed is a whole number from 0 to 1000"),
        ("- a\n", "keys are expected here: data_dir, bus"),
        ("a: [\n", ":2: not YAML"),
        ("a: *b\n", ":1: not YAML: "),
        ("a: \x01\n", ":1: not YAML: "),
    ],
)
def test_a_mistake_names_file_line_key_value_and_what_is_allowed(tmp_path: Path, text: str, mistake: str) -> None:
    path = write(tmp_path, text)
    (only,) = mistakes(path)
    assert only.startswith(f"{path}:")
    assert mistake in only
    assert "s3cret" not in only


DATABASES = [
    ("postgresql://db/x", "postgresql+psycopg://db/x"),
    ("postgresql+psycopg://u@[::1]:5433/x", "postgresql+psycopg://u@[::1]:5433/x"),
    ("postgresql:///x?host=/run/postgresql", "postgresql+psycopg:///x?host=/run/postgresql"),
    ("sqlite", "sqlite"),
]


@pytest.mark.parametrize(("text", "address"), DATABASES)
def test_a_database_is_named_by_its_address(tmp_path: Path, text: str, address: str) -> None:
    assert load(None, {}).database == "sqlite"
    assert load(write(tmp_path, f"database: {text}\n"), {}).database == address
    assert load(None, {"TORITSUGI_DATABASE": text}).database == address


def test_a_database_takes_its_password_from_a_file_or_the_environment(tmp_path: Path) -> None:
    (tmp_path / "db").write_text("p/w:@%\n", encoding="utf-8")
    text = f"database: postgresql://billing@db:5433/x?sslmode=verify-full\ndatabase_password_file: {tmp_path}/db\n"
    settings = load(write(tmp_path, text), {})
    assert settings.database == "postgresql+psycopg://billing:p%2Fw%3A%40%25@db:5433/x?sslmode=verify-full"
    assert "p%2Fw" not in repr(settings)
    by_variable = load(write(tmp_path, text), {"TORITSUGI_DATABASE_PASSWORD": "other"})
    assert by_variable.database.startswith("postgresql+psycopg://billing:other@")
    (only,) = mistakes(None, TORITSUGI_DATABASE_PASSWORD="other")
    assert "belongs to a database that names a user and no password: postgresql://user@host/name" in only


@pytest.mark.parametrize(
    ("address", "warned"),
    [
        ("postgresql://u:s3cret@192.0.2.1/x", True),
        ("postgresql://db.example/x?sslmode=require", True),
        ("postgresql://db.example/x?sslmode=verify-full&sslrootcert=ca.pem", False),
        ("postgresql://127.0.0.1/x", False),
        ("postgresql:///x", False),
    ],
)
def test_a_database_on_a_network_without_tls_is_warned_about(address: str, warned: bool) -> None:
    told: list[str] = []
    load(None, {"TORITSUGI_DATABASE": address}, told.append)
    assert ["sslmode=verify-full" in one for one in told] == [True] * warned
    assert "s3cret" not in "".join(told)


def test_a_mistake_in_the_environment_names_the_variable() -> None:
    assert mistakes(None, TORITSUGI_WEB_PORT="x") == [
        "environment: TORITSUGI_WEB_PORT: 'x': allowed is a whole number from 0 to 65535"
    ]
    assert mistakes(None, TORITSUGI_BUS="http://u:s3cret@h") == [
        "environment: TORITSUGI_BUS: 'http://…@h': allowed is `embedded:` or `amqp://host[:port]/…`"
    ]


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    assert mistakes(tmp_path / "none.yaml") == [f"{tmp_path}/none.yaml: cannot be read: No such file or directory"]
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\xff")
    assert "not YAML" in mistakes(tmp_path / "bytes.yaml")[0]


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    assert len(mistakes(write(tmp_path, "web: {port: x, host: '!'}\nlog_level: x\n"), TORITSUGI_PARTITIONS="99")) == 4


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("192.0.2.1", SwitchLink(name="fs1", host="192.0.2.1", password="ClueCon")),
        ("switch.example:8022", SwitchLink(name="fs1", host="switch.example", port=8022, password="ClueCon")),
        ("s3cret@127.0.0.1:8021", SwitchLink(name="fs1", password="s3cret")),
        ("esl://:s3cret@127.0.0.1", SwitchLink(name="fs1", password="s3cret")),
        ("tokyo=s3cret@[::1]:8021", SwitchLink(name="tokyo", host="::1", password="s3cret")),
    ],
)
def test_one_variable_names_a_real_switch(text: str, link: SwitchLink) -> None:
    assert load(None, {"TORITSUGI_ESL": text}).switches == (link,)


def test_the_variable_stands_over_the_files_first_switch(tmp_path: Path) -> None:
    path = write(tmp_path, "switches: [{name: a, recordings_dir: r, port: 1}, {name: b}]\n")
    environ = {"TORITSUGI_ESL": "h", "TORITSUGI_ESL_PASSWORD": "p"}
    (switch,) = load(path, environ).switches
    assert msgspec.structs.asdict(switch) | {"name": "a", "host": "h", "port": 8021, "password": "p"} == (
        msgspec.structs.asdict(switch)
    )
    assert switch.recordings_dir == Path("r")


@pytest.mark.parametrize("text", ["h:99999", "a b", "h:x", "s3cret@", "h\r\nauth x"])
def test_a_wrong_switch_address_is_named_without_its_password(text: str) -> None:
    assert mistakes(None, TORITSUGI_ESL=text) == [
        "environment: TORITSUGI_ESL: allowed is `[name=][password@]host[:port]`"
    ]


@given(st.text(max_size=60))
def test_any_text_is_settings_or_named_mistakes(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        assert isinstance(load(path, {}), Settings)
    except SettingsError as error:
        assert all(mistake.startswith(str(path)) for mistake in error.mistakes)
        assert error.mistakes


def test_a_process_with_a_mistake_ends_with_2(tmp_path: Path) -> None:
    path = write(tmp_path, "partitions: many\n")
    code = (
        "import sys, pathlib; from services.runtime import settings; settings.load_or_exit(pathlib.Path(sys.argv[1]))"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2
    assert ended.stderr == f"{path}:1: partitions: 'many': allowed is a whole number from 1 to 64\n"
    assert ended.stdout == ""


def test_the_agents_own_login_and_the_switchs_folder(tmp_path: Path) -> None:
    text = """
switches:
  - {name: fs1, user: toritsugi@agent.invalid, conf_dir: /etc/freeswitch, credentials_file: /etc/toritsugi/c.json}
"""
    (link,) = load(write(tmp_path, text), {"TORITSUGI_SWITCH_FS1_PASSWORD": "p"}).switches
    assert (link.user, link.conf_dir) == ("toritsugi@agent.invalid", Path("/etc/freeswitch"))
    assert link.credentials_file == Path("/etc/toritsugi/c.json")
    (link,) = load(None, {"TORITSUGI_ESL": "p@h", "TORITSUGI_ESL_USER": "a@b"}).switches
    assert link.user == "a@b"
    with pytest.raises(SettingsError, match="TORITSUGI_ESL_USER"):
        load(None, {"TORITSUGI_ESL": "p@h", "TORITSUGI_ESL_USER": "a b"})
