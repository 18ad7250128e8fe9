"""``tradeplane audit``: what an auditor does with files and a key, and nothing else."""

import subprocess
import sys

import pytest
from audit_files import OTHER, SIGNER, files_of, log_of, published

from adapters.objects.folder import FolderObjects
from cli.main import main
from tradeplane.audit.tlog_proof import parse_proof

ORDER = "00000000-0000-4000-8000-000000000300"


@pytest.fixture
def folder(tmp_path):
    """A published log of 600 entries, and its key beside the folder."""
    write(tmp_path / "log", files_of(600))
    (tmp_path / "audit.vkey").write_text(SIGNER.verifier.vkey() + "\n")
    return tmp_path / "log"


@pytest.fixture
def key(folder):
    return str(folder.parent / "audit.vkey")


def write(folder, objects) -> None:
    store = FolderObjects(folder)
    store.create(objects)
    store.replace("checkpoint", objects["checkpoint"])


def test_a_sound_log_verifies_with_status_0_and_one_line(folder, key, capsys):
    assert main(["audit", "verify", str(folder), "--key", key]) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("sound: log.example/audit, 600 entries, root ")


def test_the_folder_above_the_log_will_do(tmp_path, folder, key):
    folder.rename(tmp_path / "audit")
    assert main(["audit", "verify", str(tmp_path), "--key", key]) == 0


def test_each_damage_is_a_line_that_begins_with_its_code(folder, key, capsys):
    tile = folder / "tile" / "0" / "000"
    tile.write_bytes(b"\0" + tile.read_bytes()[1:])
    (folder / "tile" / "entries" / "001").unlink()
    assert main(["audit", "verify", str(folder), "--key", key]) == 1
    codes = {line.split()[0] for line in capsys.readouterr().out.splitlines()}
    assert codes == {"tile_altered", "bundle_missing"}


def test_an_older_checkpoint_than_the_trusted_one_is_named(folder, key, tmp_path, capsys):
    trusted = tmp_path / "trusted"
    trusted.write_bytes(published(log_of(700))["checkpoint"])
    arguments = ["audit", "verify", str(folder), "--key", key, "--trusted", str(trusted)]
    assert main(arguments) == 1
    assert "checkpoint_replayed" in capsys.readouterr().out


def test_a_log_that_grew_from_the_trusted_checkpoint_is_sound(folder, key, tmp_path):
    trusted = tmp_path / "trusted"
    trusted.write_bytes(published(log_of(256))["checkpoint"])
    arguments = ["audit", "verify", str(folder), "--key", key, "--trusted", str(trusted)]
    assert main(arguments) == 0


def test_another_key_does_not_verify(folder, tmp_path, capsys):
    (tmp_path / "other.vkey").write_text(OTHER.verifier.vkey())
    assert main(["audit", "verify", str(folder), "--key", str(tmp_path / "other.vkey")]) == 1
    assert "wrong_key_id" in capsys.readouterr().out


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"name+00000000+AAAA", b"x" * 70_000])
def test_a_file_that_is_no_key_is_refused_with_a_reason(folder, tmp_path, content, capsys):
    (tmp_path / "bad.vkey").write_bytes(content)
    assert main(["audit", "verify", str(folder), "--key", str(tmp_path / "bad.vkey")]) == 1
    output = capsys.readouterr()
    assert output.err.startswith("tradeplane: ")
    assert "sound" not in output.out


def test_what_does_not_exist_is_named(folder, key, tmp_path, capsys):
    assert main(["audit", "verify", str(tmp_path / "nothing"), "--key", key]) == 1
    assert "nothing is no folder" in capsys.readouterr().err
    assert main(["audit", "verify", str(folder), "--key", str(tmp_path / "none")]) == 1
    assert "none cannot be read" in capsys.readouterr().err


def test_a_proof_is_made_from_files_and_checked_offline(folder, key, tmp_path, capsys):
    proof = tmp_path / "order.tlog-proof"
    assert main(["audit", "proof", str(folder), ORDER, "--out", str(proof)]) == 0
    assert parse_proof(proof.read_bytes()).index == 300
    assert main(["audit", "check-proof", str(proof), "--key", key]) == 0
    assert ORDER in capsys.readouterr().out


def test_an_entry_can_be_named_by_its_index(folder, tmp_path):
    proof = tmp_path / "entry.tlog-proof"
    assert main(["audit", "proof", str(folder), "599", "--out", str(proof)]) == 0
    assert parse_proof(proof.read_bytes()).index == 599


@pytest.mark.parametrize("what", ["600", "00000000-0000-4000-8000-000000009999", "order.accepted"])
def test_there_is_no_proof_of_what_is_not_in_the_log(folder, what, capsys):
    assert main(["audit", "proof", str(folder), what]) == 1
    assert "tradeplane: the log has" in capsys.readouterr().err


def test_no_flipped_byte_of_a_proof_is_accepted(folder, key, tmp_path, capsys):
    proof = tmp_path / "order.tlog-proof"
    main(["audit", "proof", str(folder), ORDER, "--out", str(proof)])
    content = proof.read_bytes()
    for position in range(0, len(content), 7):
        changed = bytearray(content)
        changed[position] ^= 0x01
        proof.write_bytes(changed)
        assert main(["audit", "check-proof", str(proof), "--key", key]) == 1, position


def test_an_export_verifies_and_is_brought_up_to_date(tmp_path, monkeypatch):
    home, out = tmp_path / "home", tmp_path / "out"
    monkeypatch.setenv("TRADEPLANE_HOME", str(home))
    store = FolderObjects(home / "objects")
    key = str(out / "audit.vkey")
    for count in (300, 900):
        log = log_of(count)
        objects = {f"audit/{path}": content for path, content in published(log).items()}
        objects["audit/vkey"] = SIGNER.verifier.vkey().encode()
        store.create(objects)
        store.replace("audit/checkpoint", objects["audit/checkpoint"])
        assert main(["audit", "export", str(out)]) == 0
        assert main(["audit", "verify", str(out), "--key", key]) == 0
        (tmp_path / "trusted").write_bytes((out / "checkpoint").read_bytes())
    arguments = ["audit", "verify", str(out), "--key", key, "--trusted", str(tmp_path / "trusted")]
    assert main(arguments) == 0


def test_an_export_does_not_paper_over_a_log_that_was_rewritten(tmp_path, monkeypatch, capsys):
    home, out = tmp_path / "home", tmp_path / "out"
    monkeypatch.setenv("TRADEPLANE_HOME", str(home))
    store = FolderObjects(home / "objects")
    store.create({f"audit/{path}": content for path, content in files_of(300).items()})
    write(out, files_of(256))
    FolderObjects(out).create({"tile/entries/001.p/44": b"something else"})
    assert main(["audit", "export", str(out)]) == 1
    assert "one of them was changed" in capsys.readouterr().err
    assert (out / "checkpoint").read_bytes() == files_of(256)["checkpoint"]


def test_an_installation_without_a_log_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRADEPLANE_HOME", str(tmp_path / "home"))
    assert main(["audit", "export", str(tmp_path / "out")]) == 1
    assert "no checkpoint" in capsys.readouterr().err


def test_verifying_loads_neither_ray_nor_a_database(folder, key):
    program = (
        "import sys; from cli.main import main; "
        f"status = main(['audit', 'verify', {str(folder)!r}, '--key', {key!r}]); "
        "loaded = {'ray', 'sqlalchemy', 'boto3'} & set(sys.modules); "
        "sys.exit(status or (10 if loaded else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
