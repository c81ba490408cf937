"""What several clients' files mean together: one number, one phone, one file each; a bad file freezes only its own."""

from __future__ import annotations

import os
from pathlib import Path

from services.directory.tenants.settle import Held, InForce, settle
from services.directory.tenants.yaml_files import read_folder
from tests.unit.test_directory_files import ARCHITECTURE_SAMPLE, MINIMAL, PLATFORM, tenant_of

NUMBER = MINIMAL + "numbers: [{{number: 03-1234-5678, kind: leased, mode: published, route: r}}]\n"
NUMBER += "routes: {{r: [{{do: [{{voicemail: x}}]}}]}}\n"


def write(folder: Path, second: int, **files: str) -> None:
    for name, text in files.items():
        path = folder / f"{name}.yaml"
        path.write_text(text, encoding="utf-8")
        os.utime(path, (second, second))


def test_of_two_clients_with_one_number_the_later_change_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 1, platform=PLATFORM)
    write(tmp_path, 5, alpha=NUMBER.format("alpha"))
    write(tmp_path, 9, beta=NUMBER.format("beta"))
    first = settle(read_folder(tmp_path), InForce())
    assert set(first.tenants) == {"alpha"}
    assert [str(p) for p in first.problems] == ['beta.yaml:4: numbers[0].number: "0312345678" belongs to alpha already']
    write(tmp_path, 20, alpha=NUMBER.format("alpha") + "reading: アルファ\n")  # alpha changes something else later
    again = settle(read_folder(tmp_path), InForce(first.platform, first.tenants))
    assert again.tenants["alpha"].body.reading == "アルファ"
    assert set(again.tenants) == {"alpha"}


def test_a_number_may_move_from_one_client_to_another_in_one_change(tmp_path: Path) -> None:
    write(tmp_path, 1, platform=PLATFORM, alpha=NUMBER.format("alpha"), beta=MINIMAL.format("beta"))
    before = settle(read_folder(tmp_path), InForce())
    write(tmp_path, 5, beta=NUMBER.format("beta"))
    write(tmp_path, 9, alpha=MINIMAL.format("alpha"))
    after = settle(read_folder(tmp_path), InForce(before.platform, before.tenants))
    assert not after.problems
    assert [len(after.tenants[name].body.numbers) for name in ("alpha", "beta")] == [0, 1]


def test_one_phone_belongs_to_one_client(tmp_path: Path) -> None:
    phones = MINIMAL + 'ids: [{{id: "1001", name: x}}]\n'
    write(tmp_path, 1, platform=PLATFORM)
    write(tmp_path, 2, alpha=phones.format("alpha"))
    write(tmp_path, 3, beta=phones.format("beta"), gamma=phones.format("gamma") + "domain: gamma.example\n")
    settled = settle(read_folder(tmp_path), InForce())
    assert set(settled.tenants) == {"alpha", "gamma"}
    assert 'beta.yaml:4: ids[0].id: "1001" belongs to alpha already (at 127.0.0.1)' in map(str, settled.problems)


def test_a_phone_in_other_letters_is_the_same_phone(tmp_path: Path) -> None:
    """FreeSWITCH finds `ANNA@Pbx.Example` under `anna@pbx.example`: its calls would be charged to the other client."""
    anna = MINIMAL + 'ids: [{{id: "{1}", name: x}}]\ndomain: {2}\n'
    write(tmp_path, 1, platform=PLATFORM)
    write(tmp_path, 2, alpha=anna.format("alpha", "anna", "pbx.example"))
    write(tmp_path, 3, beta=anna.format("beta", "ANNA", "Pbx.Example"))
    settled = settle(read_folder(tmp_path), InForce())
    assert set(settled.tenants) == {"alpha"}


def test_two_files_of_one_client_are_not_both_taken(tmp_path: Path) -> None:
    write(tmp_path, 1, platform=PLATFORM)
    write(tmp_path, 9, acme=MINIMAL.format("acme"))
    write(tmp_path, 5, copy=MINIMAL.format("acme"))
    held = {"acme": Held("acme.yaml", tenant_of(MINIMAL.format("acme")).body)}
    settled = settle(read_folder(tmp_path), InForce(None, held))
    # both are in force word for word; the one changed first is kept
    assert len(settled.tenants) == 1
    assert "is described in" in str(settled.problems[0])


def test_a_bad_file_freezes_only_its_own_client(tmp_path: Path) -> None:
    write(tmp_path, 1, platform=PLATFORM, alpha=NUMBER.format("alpha"), beta=MINIMAL.format("beta"))
    before = settle(read_folder(tmp_path), InForce())
    write(tmp_path, 5, alpha="tenant: alpha\nname: [", beta=MINIMAL.format("beta") + "reading: ベータ\n")
    after = settle(read_folder(tmp_path), InForce(before.platform, before.tenants))
    assert after.tenants["alpha"] == before.tenants["alpha"]
    assert after.tenants["beta"].body.reading == "ベータ"
    assert after.gone == ()


def test_a_removed_file_ends_its_client_but_an_empty_folder_ends_nobody(tmp_path: Path) -> None:
    write(tmp_path, 1, platform=PLATFORM, alpha=MINIMAL.format("alpha"), beta=MINIMAL.format("beta"))
    before = settle(read_folder(tmp_path), InForce())
    now = InForce(before.platform, before.tenants)
    (tmp_path / "alpha.yaml").unlink()
    after = settle(read_folder(tmp_path), now)
    assert (after.gone, set(after.tenants)) == (("alpha",), {"beta"})
    for path in tmp_path.iterdir():
        path.unlink()
    assert settle(read_folder(tmp_path), now).gone == ()


def test_a_platform_that_would_break_a_client_is_refused_until_the_client_follows(tmp_path: Path) -> None:
    write(tmp_path, 1, platform=PLATFORM, acme=ARCHITECTURE_SAMPLE)
    before = settle(read_folder(tmp_path), InForce())
    now = InForce(before.platform, before.tenants)
    write(tmp_path, 5, platform=PLATFORM.replace("tokyo-pool", "kanto-pool"))
    refused = settle(read_folder(tmp_path), now)
    assert refused.platform == before.platform
    assert "cannot take effect: in acme.yaml, routes.secretary[0].do[0].queue needs tokyo-pool" in str(
        refused.problems[0]
    )
    write(tmp_path, 6, acme=ARCHITECTURE_SAMPLE.replace("tokyo-pool", "kanto-pool"))
    taken = settle(read_folder(tmp_path), now)
    assert not taken.problems
    assert taken.platform is not None and taken.platform.pools[0].pool == "kanto-pool"
