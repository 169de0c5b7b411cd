"""Several addresses of one file: dead, slow and lying ones, archives around networks, and ``models check``."""

import hashlib
import io
import re
import stat
import zipfile
from dataclasses import replace

import pytest

from posetrack.cli.main import main
from posetrack.errors import WeightsError
from posetrack.zoo import DownloadPolicy, Entry, ModelStore, check_sources, download, import_file
from tests import hostile_server as hs
from tests.test_zoo_download import CONTENT, POLICY, Listener, make_entry, plain_environment, serve, store

__all__ = ["plain_environment", "serve", "store"]

SHA256 = hashlib.sha256(CONTENT).hexdigest()
DEAD = "http://127.0.0.1:9/tested.pth"
HASTY = DownloadPolicy(tries=1, timeout_s=0.3, backoff_s=0.01)


def entry_at(*servers: hs.HostileServer | str, **changes: object) -> Entry:
    urls = tuple(each if isinstance(each, str) else f"{each.url}/tested.pth" for each in servers)
    return make_entry(None, sources=urls, **changes)


def archive_of(*members: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in members:
            opened.writestr(name, content)
    return made.getvalue()


NOTES = ("20230831/rtmpose_onnx/pipeline.json", b"{}")
NETWORK = ("20230831/rtmpose_onnx/end2end.onnx", CONTENT)
ARCHIVE = archive_of(NOTES, NETWORK, ("20230831/rtmpose_onnx/detail.json", b"{}"))


@pytest.fixture
def archived():
    """An entry whose only source is an archive of some content, on a server in those manners."""
    running = []

    def start(data: bytes, *manners: hs.Manner, **changes: object) -> Entry:
        server = hs.HostileServer({"/tested.zip": data}, {"/tested.zip": list(manners)} if manners else {})
        running.append(server.__enter__())
        fields = {"file": "tested.onnx", "sha256": SHA256, "sources": (f"{server.url}/tested.zip",)}
        return make_entry(None, **(fields | changes))

    yield start
    for server in running:
        server.__exit__()


def files_of(where: ModelStore) -> set[str]:
    """Names of all files in the store besides its locks and its notes of checks."""
    files = [path for path in where.folder.rglob("*") if path.is_file()]
    return {path.name for path in files if path.parent.name not in (".locks", ".checked")}


def test_the_next_source_is_asked_after_dead_slow_and_lying_ones(serve, store):
    slow, liar, good = serve(hs.dripping), serve(data=b"another file" * 100), serve()
    listener = Listener()
    path = download(entry_at(DEAD, slow, liar, good), store, policy=POLICY, observer=listener)
    assert path.read_bytes() == CONTENT and files_of(store) == {"tested.pth"}
    passed_on = [sentence for sentence in listener.sentences if "trying the next address" in sentence]
    assert len(passed_on) == 3
    for sentence, words in zip(passed_on, ("refused", "stalls", "SHA-256 that begins with"), strict=True):
        assert words in sentence
    assert len(slow.requests) == 2  # not as often as the last one would be
    assert len(liar.requests) == 2 and len(good.requests) == 1


def test_the_first_source_that_has_the_file_is_the_last_one_asked(serve, store):
    first, second = serve(), serve()
    download(entry_at(first, second), store, policy=POLICY)
    assert len(first.requests) == 1 and second.requests == []


def test_what_one_source_began_the_next_one_continues(serve, store):
    broken, good = serve(hs.truncated(30_000), hs.status("404 Not Found")), serve()
    assert download(entry_at(broken, good), store, policy=POLICY).read_bytes() == CONTENT
    assert good.first_bytes() == [30_000]


def test_if_no_source_has_it_one_sentence_tells_of_each_and_of_the_remedy(serve, store):
    gone, liar = serve(hs.status("404 Not Found")), serve(data=b"another file" * 100)
    entry = entry_at(DEAD, gone, liar, elsewhere="https://example.org/copies")
    with pytest.raises(WeightsError) as caught:
        download(entry, store, policy=HASTY)
    sentence = str(caught.value)
    by_hand = "`posetrack models import tested FILE`"
    remedies = (entry.page, "https://example.org/copies", by_hand, "`--preset lite`")
    for part in (DEAD, f"{gone.url}/tested.pth: the server answers 404", f"{liar.url}/tested.pth", *remedies):
        assert part in sentence
    assert "\n" not in sentence and files_of(store) == set()


def test_what_is_wrong_with_all_sources_is_told_once(store):
    with pytest.raises(WeightsError) as caught:
        download(entry_at(DEAD, DEAD.replace("9/", "9/a/")), store, policy=HASTY)
    assert f"{DEAD} and {DEAD.replace('9/', '9/a/')}: Connection refused; " in str(caught.value)


def test_a_network_comes_out_of_the_archive_around_it(archived, store):
    entry = archived(ARCHIVE, hs.truncated(100), hs.good)
    path = download(entry, store, policy=POLICY)
    assert path == store.folder / "tested.onnx" and path.read_bytes() == CONTENT
    assert files_of(store) == {"tested.onnx"}
    assert store.find(entry) == path


def test_an_archive_and_the_file_itself_are_sources_of_one_entry(archived, serve, store):
    entry = archived(archive_of(NOTES))
    plain = serve()
    both = make_entry(None, file="tested.onnx", sha256=SHA256, sources=(*entry.sources, f"{plain.url}/tested.pth"))
    assert download(both, store, policy=POLICY).read_bytes() == CONTENT


MIDDLE = len(ARCHIVE) // 3


def link() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("end2end.onnx")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


def unusual() -> bytes:
    """An archive that LZMA compressed, and that is damaged."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("end2end.onnx", bytes(1000))
    return made.getvalue().replace(bytes(made.getvalue()[50:60]), b"\xff" * 10)


def encrypted() -> bytes:
    """An archive whose table of contents says that the network is encrypted."""
    made = bytearray(archive_of(NETWORK))
    made[made.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(made)


BAD_ARCHIVES = {
    "two": (archive_of(NETWORK, ("other.onnx", CONTENT)), "has 2 .onnx files in it instead of one"),
    "none": (archive_of(NOTES), "has 0 .onnx files"),
    "upwards": (archive_of(("../../outside.onnx", CONTENT)), "leads out of the archive"),
    "upwards in Windows": (archive_of(("..\\..\\outside.onnx", CONTENT)), "leads out of the archive"),
    "absolute": (archive_of(("/tmp/outside.onnx", CONTENT)), "leads out of the archive"),
    "drive": (archive_of(("C:outside.onnx", CONTENT)), "leads out of the archive"),
    "link": (archive_of((link(), b"/etc/passwd")), "has a link in it"),
    "another network": (archive_of(("end2end.onnx", b"another")), "holds a network with the SHA-256|is not what"),
    "encrypted": (encrypted(), "is encrypted"),
    "unusual": (unusual(), "is compressed in an unusual way"),
    "cut": (ARCHIVE[:-30], "is not a whole zip archive|is not what"),
    "changed": (ARCHIVE[:MIDDLE] + b"xxx" + ARCHIVE[MIDDLE + 3 :], "is not a whole zip archive"),
    "no archive": (b"PK but nothing else" * 40, "is not a whole zip archive"),
    "bomb": (archive_of(("end2end.onnx", bytes(2**24 + 1))), "would grow to 16,777,217 bytes"),
    "many files": (archive_of(*((f"{number}.json", b"") for number in range(1001)), NETWORK), "far more than"),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_ARCHIVES)
def test_a_bad_archive_is_one_sentence_and_leaves_nothing(archived, store, tmp_path, kind):
    content, reason = BAD_ARCHIVES[kind]
    entry = archived(content)
    with pytest.raises(WeightsError, match=reason) as caught:
        download(entry, store, policy=HASTY)
    assert "\n" not in str(caught.value)
    brought = tmp_path / "brought.zip"
    brought.write_bytes(content)
    with pytest.raises(WeightsError, match=reason):
        import_file(entry, store, brought)
    assert files_of(store) == set()
    assert not list(tmp_path.rglob("outside*")) and not (tmp_path.parent / "outside.onnx").exists()


def test_a_network_of_another_size_is_not_unpacked(archived, store, tmp_path):
    bomb = archive_of(("end2end.onnx", bytes(50_000_000)))
    with pytest.raises(WeightsError, match="50,000,000 bytes in it instead of 96,000"):
        download(archived(bomb, size_bytes=len(CONTENT)), store, policy=HASTY)
    assert files_of(store) == set()


def test_an_archive_brought_by_hand_is_imported_as_the_network_in_it(archived, store, tmp_path):
    brought = tmp_path / "brought.zip"
    brought.write_bytes(ARCHIVE)
    imported = import_file(archived(b""), store, brought)
    assert imported.sha256 == SHA256 and imported.path.read_bytes() == CONTENT
    assert files_of(store) == {"tested.onnx"}


def faults(*servers: hs.HostileServer | str, whole: bool = False, **changes: object) -> list[str | None]:
    reports = check_sources([entry_at(*servers, **changes)], HASTY, whole=whole)
    return [report.fault for report in reports]


def test_checking_asks_for_no_bytes_and_finds_what_is_wrong(serve):
    good, slow, gone, page = serve(), serve(hs.silent), serve(hs.status("404 Not Found")), serve(hs.web_page)
    larger, encoded = serve(data=CONTENT + b"x"), serve(hs.compressed)
    found = faults(good, DEAD, slow, gone, page, larger, encoded, size_bytes=len(CONTENT))
    assert found[0] is None
    wrong = ("refused", "timed out", "answers 404", "a web page", "96,001 bytes instead of 96,000", "encoded")
    for fault, words in zip(found[1:], wrong, strict=True):
        assert words in fault
    assert {request.method for request in good.requests} == {"HEAD"}


@pytest.mark.parametrize("refusal", ["403 Forbidden", "405 Method Not Allowed", "501 Not Implemented"])
def test_a_server_that_refuses_head_is_asked_for_the_file(serve, refusal):
    def answer(talk: hs.Talk) -> None:
        hs.status(refusal)(talk) if talk.request.method == "HEAD" else hs.good(talk)

    server = serve(answer)
    report = check_sources([entry_at(server)], HASTY)[0]
    assert (report.fault, report.size_bytes) == (None, len(CONTENT))
    assert [request.method for request in server.requests] == ["HEAD", "GET"]


def test_checking_follows_no_redirect_to_a_file(serve):
    assert "not followed" in faults(serve(hs.redirecting("file:///etc/hostname")))[0]


def test_two_sizes_of_one_file_are_a_fault_of_both(serve):
    assert faults(serve(), serve(data=CONTENT + b"x")) == ["its sources have files of different sizes"] * 2
    assert faults(serve(), serve()) == [None, None]


def hash_told(digits: str) -> hs.Manner:
    def answer(talk: hs.Talk) -> None:
        talk.head("200 OK", Content_Length=len(talk.data), X_Linked_Etag=f'"{digits}"')

    return answer


def test_a_hash_that_the_server_tells_is_compared(serve):
    good, liar = serve(hash_told(SHA256)), serve(hash_told("f" * 64))
    reports = check_sources([entry_at(good, liar)], HASTY)
    assert reports[0].hash == "told by the server" and reports[0].fault is None
    assert reports[1].fault == f"another file: its SHA-256 begins with ffffffff instead of {SHA256[:8]}"


def test_whole_files_are_fetched_and_compared_if_asked_for(serve, archived):
    found = faults(serve(), serve(data=b"y" * len(CONTENT)), DEAD, whole=True)
    assert found[0] is None and "SHA-256 that begins with" in found[1] and "refused" in found[2]
    reports = check_sources([archived(ARCHIVE), archived(archive_of(NOTES))], HASTY, whole=True)
    assert [report.hash for report in reports] == ["compared", ""]
    assert "0 .onnx files" in reports[1].fault


@pytest.fixture
def check(monkeypatch, capsys):
    """Runs ``posetrack models check tested`` with entries in place of the table."""

    def run(*arguments: str, table: dict[str, Entry]) -> tuple[int, str, str]:
        monkeypatch.setattr("posetrack.zoo.read_entries", lambda: table)
        monkeypatch.setattr("posetrack.zoo.get_entry", table.__getitem__)
        monkeypatch.setattr("sys.argv", ["posetrack", "models", "check", "--timeout", "0.3", *arguments])
        with pytest.raises(SystemExit) as caught:
            main()
        captured = capsys.readouterr()
        return int(caught.value.code or 0), captured.out, captured.err

    return run


def test_the_command_prints_a_row_for_each_source_and_its_status_says_whether_all_are_fine(
    serve, check, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "160")
    good, liar = serve(), serve(hs.web_page)
    table = {"tested": entry_at(good, liar), "by_hand": make_entry(None, sha256_prefix=None, name="by_hand")}
    status, out, err = check(table=table)
    assert status == 1 and err == ""
    rows = [line for line in out.splitlines() if line.strip().startswith("tested")]
    assert re.search(r"127\.0\.0\.1:\d+ +0\.1 +not told +fine", rows[0]) and "a web page" in rows[1]
    assert "1 of 2 addresses have their file." in out
    status, out, _ = check("tested", table={"tested": entry_at(good)})
    assert status == 0 and "1 of 1 addresses" in out
    long_name = "simple_baseline_resnet152_dark_coco_384x288"
    monkeypatch.setenv("COLUMNS", "80")
    assert long_name in check(table={long_name: replace(table["tested"], name=long_name)})[1]
    status, _, err = check("by_hand", table=table)
    assert status == 2 and "by_hand: no address to ask" in err
