"""The folder of weights: where it is, what lies in it, and what becomes of files brought by hand."""

import hashlib
import json
import os
from pathlib import Path

import pytest

from posetrack.errors import WeightsError
from posetrack.zoo import ModelStore, get_entry, import_file
from tests.test_zoo_download import CONTENT, make_entry

ENTRY = make_entry("https://far.away.invalid/tested.pth")
BY_HAND = make_entry(None, sha256_prefix=None)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def brought(tmp_path: Path) -> Path:
    path = tmp_path / "from a stick (1).bin"
    path.write_bytes(CONTENT)
    return path


def lay(store: ModelStore, content: bytes = CONTENT) -> Path:
    path = store.path(ENTRY)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_folder_is_the_argument_or_in_posetrack_home_or_of_the_system(tmp_path, monkeypatch):
    monkeypatch.setenv("POSETRACK_HOME", str(tmp_path / "home"))
    assert ModelStore(tmp_path / "here").folder == tmp_path / "here"
    assert ModelStore().folder == tmp_path / "home" / "models"
    monkeypatch.setenv("POSETRACK_HOME", "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if os.uname().sysname == "Linux":
        assert ModelStore().folder == tmp_path / "data" / "posetrack" / "models"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("POSETRACK_HOME", "~/weights")
    assert ModelStore().folder == tmp_path / "weights" / "models"


def test_looking_makes_no_folder(store):
    assert store.find(ENTRY) is None
    with pytest.raises(WeightsError):
        store.require(ENTRY)
    assert not store.folder.exists()


def test_a_missing_file_is_one_sentence_with_the_remedies(store):
    with pytest.raises(WeightsError) as caught:
        store.require(ENTRY)
    sentence = str(caught.value)
    for part in ("tested", ENTRY.sources[0], str(store.path(ENTRY)), "models download tested", "`--preset lite`"):
        assert part in sentence
    assert "\n" not in sentence and sentence.endswith(".")


def test_what_is_published_for_hands_only_says_where(store):
    with pytest.raises(WeightsError) as caught:
        store.require(BY_HAND, fetch=lambda *_: pytest.fail("nothing can fetch it"))
    for part in (BY_HAND.page, "models import tested FILE", str(store.path(BY_HAND)), "`--preset lite`"):
        assert part in str(caught.value)


def test_what_is_missing_is_fetched_if_that_is_allowed(store):
    assert store.require(ENTRY, fetch=lambda entry, where: lay(where)) == store.path(ENTRY)
    assert store.require(ENTRY, fetch=lambda *_: pytest.fail("it is there")) == store.path(ENTRY)


def test_a_file_laid_there_by_hand_is_checked_once(store):
    path = lay(store)
    assert store.find(ENTRY) == path
    note = json.loads((store.folder / ".checked" / "tested.pth.json").read_text())
    assert note == {"sha256": SHA256, "size_bytes": len(CONTENT), "mtime_ns": path.stat().st_mtime_ns}


@pytest.mark.parametrize("content", [CONTENT[:-1], b"", CONTENT + b"x"])
def test_a_wrong_file_laid_there_by_hand_is_found_out(store, content):
    lay(store, content)
    with pytest.raises(WeightsError, match="is not what nobody published as tested"):
        store.find(ENTRY)


def test_a_file_that_is_changed_later_is_found_out(store):
    path = lay(store)
    assert store.find(ENTRY)
    path.write_bytes(b"x" + CONTENT[1:])
    os.utime(path, ns=(0, 1))
    with pytest.raises(WeightsError, match="is not what"):
        store.find(ENTRY)


def test_a_table_that_publishes_another_hash_counts_at_once(store):
    lay(store)
    assert store.find(ENTRY)
    with pytest.raises(WeightsError, match="instead of 00000000"):
        store.find(make_entry(ENTRY.sources[0], sha256_prefix="00000000"))


@pytest.mark.parametrize(
    "note", ["", "[]", "{}", '{"sha256": 1, "size_bytes": 1, "mtime_ns": 1}', "\x00", "[" * 100_000]
)
def test_a_note_that_makes_no_sense_is_written_anew(store, note):
    lay(store)
    (store.folder / ".checked").mkdir()
    (store.folder / ".checked" / "tested.pth.json").write_text(note)
    assert store.find(ENTRY)
    assert SHA256 in (store.folder / ".checked" / "tested.pth.json").read_text()


def test_a_store_that_cannot_be_written_can_be_read(store):
    lay(store)
    (store.folder / ".checked").write_text("a file where notes should go")
    assert store.find(ENTRY) == store.path(ENTRY)


def test_an_import_is_checked_and_copied(store, brought):
    imported = import_file(ENTRY, store, brought)
    assert (imported.path, imported.sha256, imported.checked_digits) == (store.path(ENTRY), SHA256, 8)
    assert imported.path.read_bytes() == CONTENT == brought.read_bytes()
    assert store.find(ENTRY) == imported.path
    assert {path.name for path in store.folder.iterdir()} == {"tested.pth", ".checked", ".locks"}


def test_an_import_with_another_hash_is_refused_and_changes_nothing(store, brought):
    import_file(ENTRY, store, brought)
    brought.write_bytes(b"something else")
    with pytest.raises(WeightsError) as caught:
        import_file(ENTRY, store, brought)
    assert hashlib.sha256(b"something else").hexdigest() in str(caught.value)
    assert SHA256[:8] in str(caught.value)
    assert store.path(ENTRY).read_bytes() == CONTENT
    assert {path.name for path in store.folder.iterdir()} == {"tested.pth", ".checked", ".locks"}


def test_an_import_without_a_published_hash_is_remembered(store, brought):
    imported = import_file(BY_HAND, store, brought)
    assert (imported.sha256, imported.checked_digits) == (SHA256, 0)
    assert store.find(BY_HAND) == imported.path
    imported.path.write_bytes(b"changed behind our back")
    with pytest.raises(WeightsError, match="was changed since it was imported"):
        store.find(BY_HAND)
    import_file(BY_HAND, store, brought)
    assert store.find(BY_HAND) == imported.path


@pytest.mark.parametrize("content", [b"", b"  <!DOCTYPE html><p>Sign in", b"<html>"])
def test_what_a_sharing_site_gives_instead_is_refused(store, brought, content):
    brought.write_bytes(content)
    with pytest.raises(WeightsError, match="empty|web page"):
        import_file(BY_HAND, store, brought)
    assert not store.path(BY_HAND).exists()


def test_an_import_of_the_file_in_the_store_itself_keeps_it(store):
    path = lay(store)
    assert import_file(ENTRY, store, path).path.read_bytes() == CONTENT


@pytest.mark.parametrize("source", ["nowhere", "."])
def test_an_import_of_nothing_is_one_sentence(store, tmp_path, source):
    with pytest.raises(WeightsError, match="give the file to import"):
        import_file(ENTRY, store, tmp_path / source)


def test_bundled_weights_are_in_the_package_and_cannot_be_imported(store, brought):
    entry = get_entry("pose_lite")
    assert store.require(entry).parts[-3:] == ("models", "bundled", "pose_lite.safetensors")
    with pytest.raises(WeightsError, match="part of posetrack already"):
        import_file(entry, store, brought)
