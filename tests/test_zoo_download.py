"""Downloads against a server that truncates, stalls, corrupts, redirects and lies."""

import hashlib
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from posetrack.errors import ConfigError, WeightsError
from posetrack.zoo import DownloadPolicy, Entry, ModelStore, download
from tests import hostile_server as hs

CONTENT = bytes(hashlib.sha256(b"weights").digest()) * 3000  # 96,000 bytes
POLICY = DownloadPolicy(tries=3, timeout_s=0.3, backoff_s=0.01)


def make_entry(url: str | None, content: bytes = CONTENT, **changes: object) -> Entry:
    fields = {
        "name": "tested", "task": "flow", "loader": "raft", "purpose": "tests",
        "publisher": "nobody", "architecture": "none",
        "licence": "none", "trained_on": "nothing", "file": "tested.pth", "page": "https://example.org/page",
        "colour_order": "rgb", "mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "convention": "own",
        "accuracy": (), "sources": () if url is None else (url,),
        "sha256_prefix": hashlib.sha256(content).hexdigest()[:8],
    }  # fmt: skip
    return Entry(**(fields | changes))


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "POSETRACK_MIRROR", "POSETRACK_HOME"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


@pytest.fixture
def serve() -> Iterator[Callable[..., hs.HostileServer]]:
    """Starts servers of ``/tested.pth`` with manners, and stops them."""
    running: list[hs.HostileServer] = []

    def start(*manners: hs.Manner, data: bytes = CONTENT) -> hs.HostileServer:
        server = hs.HostileServer({"/tested.pth": data}, {"/tested.pth": list(manners)} if manners else {})
        running.append(server.__enter__())
        return server

    yield start
    for server in running:
        server.__exit__()


class Listener:
    """Keeps what a download tells."""

    def __init__(self) -> None:
        self.progress: list[tuple[int, int | None]] = []
        self.sentences: list[str] = []

    def progressed(self, entry: Entry, done_bytes: int, total_bytes: int | None) -> None:
        self.progress.append((done_bytes, total_bytes))

    def noticed(self, entry: Entry, sentence: str) -> None:
        self.sentences.append(sentence)


def fetched(server: hs.HostileServer, store: ModelStore, **options: object) -> Listener:
    """Downloads; the file must be there, exact, and nothing else."""
    listener = Listener()
    options = {"policy": POLICY} | options
    path = download(make_entry(f"{server.url}/tested.pth"), store, observer=listener, **options)
    assert path == store.folder / "tested.pth"
    assert path.read_bytes() == CONTENT
    assert not path.with_name("tested.pth.part").exists()
    return listener


def refused(
    server: hs.HostileServer, store: ModelStore, policy: DownloadPolicy = POLICY, **changes: object
) -> str:
    """Tries to download; the file must not be there. Returns the sentence."""
    with pytest.raises(WeightsError) as caught:
        download(make_entry(f"{server.url}/tested.pth", **changes), store, policy=policy)
    assert not store.path(make_entry(None)).exists()
    return str(caught.value)


def put_part(store: ModelStore, content: bytes) -> Path:
    store.folder.mkdir(parents=True)
    part = store.folder / "tested.pth.part"
    part.write_bytes(content)
    return part


def test_a_good_server_is_asked_once_and_never_again(serve, store):
    server = serve()
    listener = fetched(server, store)
    fetched(server, store)
    assert len(server.requests) == 1
    assert listener.progress[0] == (0, len(CONTENT))
    assert listener.progress[-1] == (len(CONTENT), len(CONTENT))
    assert sorted(listener.progress) == listener.progress


@pytest.mark.parametrize(
    "manner",
    [hs.chunked, hs.without_ranges, hs.truncated_without_length(None), hs.promising("nonsense"),
     hs.promising("9" * 5000)],
)  # fmt: skip
def test_files_come_in_every_form_that_http_has(serve, store, manner):
    fetched(serve(manner), store)


def test_a_server_that_promises_too_much_has_sent_all_the_same(serve, store):
    server = serve(hs.promising("96001"))
    fetched(server, store)
    assert len(server.requests) == 1


def test_a_server_that_promises_too_little_is_found_out(serve, store):
    assert "has a SHA-256 that begins with" in refused(serve(hs.promising("95999")), store)


def test_a_truncated_file_is_continued_where_it_broke_off(serve, store):
    server = serve(hs.truncated(10_000), hs.truncated(20_000), hs.good)
    listener = fetched(server, store)
    assert server.first_bytes() == [None, 10_000, 30_000]
    assert "broke off after 10,000 of 96,000 bytes" in listener.sentences[0]


def test_any_number_of_interruptions_is_survived_as_long_as_the_file_grows(serve, store):
    server = serve(hs.truncated(3_000))
    fetched(server, store)
    assert len(server.requests) == 32


def test_a_server_that_never_gets_further_is_given_up(serve, store):
    server = serve(hs.truncated_without_ranges(10_000))
    assert "broke off after 10,000 of 96,000 bytes" in refused(server, store)
    # the first 10,000 bytes were progress; three tries more were not
    assert len(server.requests) == 4


def test_a_server_without_ranges_sends_all_again(serve, store):
    server = serve(hs.truncated(10_000), hs.without_ranges)
    fetched(server, store)
    assert server.first_bytes() == [None, 10_000]


@pytest.mark.parametrize(
    "fault",
    [hs.range_of_another_file, hs.range_without_saying_which, hs.never_satisfiable],
)
def test_a_wrong_continuation_is_thrown_away(serve, store, fault):
    put_part(store, CONTENT[:10_000])
    server = serve(hs.truncated(10_000), fault, hs.good)
    fetched(server, store)
    assert server.requests[-1].first_byte is None


def test_a_continuation_that_is_the_whole_is_taken_as_the_whole(serve, store):
    server = serve(hs.truncated(10_000), hs.wrong_range)
    fetched(server, store)
    assert server.first_bytes() == [None, 10_000]


@pytest.mark.parametrize(
    "fault",
    [
        hs.stalled(0), hs.stalled(500), hs.silent, hs.dripping, hs.dripping_headers, hs.dripping_chunk_size,
        hs.continuing_forever, hs.reset(0), hs.reset(500), hs.garbage, hs.chunked_and_cut, hs.cut_in_the_headers,
        hs.status("500 Internal Server Error"), hs.status("503 Service Unavailable"),
        hs.status("429 Too Many Requests"), hs.status("408 Request Timeout"),
    ],
    ids=lambda fault: getattr(fault, "__qualname__", ""),
)  # fmt: skip
def test_passing_faults_are_outlasted_and_lasting_ones_given_up(serve, store, fault):
    listener = fetched(serve(fault, hs.good), store)
    assert "trying again in" in listener.sentences[0]
    store.path(make_entry(None)).unlink()
    server = serve(fault)
    sentence = refused(server, store, replace(POLICY, tries=2))
    assert f"{server.url}/tested.pth" in sentence
    assert 2 <= len(server.requests) <= 3  # one that has brought something does not count


@pytest.mark.parametrize(
    "code", ["404 Not Found", "403 Forbidden", "410 Gone", "401 Unauthorized", "204 No Content"]
)
def test_what_will_not_change_is_not_tried_again(serve, store, code):
    server = serve(hs.status(code))
    assert f"answers {code}" in refused(server, store)
    assert len(server.requests) == 1


def test_retry_after_is_obeyed_and_an_hour_is_not_waited_for(serve, store):
    listener = fetched(serve(hs.status("503 Busy", Retry_After=1), hs.good), store)
    assert "trying again in 1.0 s" in listener.sentences[0]
    store.path(make_entry(None)).unlink()
    for later in ("3600", "Fri, 31 Dec 2100 23:59:59 GMT", "9" * 400):
        server = serve(hs.status("429 Too Many Requests", Retry_After=later))
        assert "asks to come back in" in refused(server, store)
        assert len(server.requests) == 1
    fetched(serve(hs.status("503 Busy", Retry_After="whenever"), hs.good), store)


def test_pauses_double_up_to_the_longest_and_vary():
    policy = DownloadPolicy(backoff_s=1.0, longest_wait_s=20.0)
    for failures, middle in ((1, 1), (2, 2), (3, 4), (5, 16), (6, 20), (1000, 20)):
        pauses = {policy.pause_s(failures, None) for _ in range(50)}
        assert all(0.5 * middle <= pause <= 1.5 * middle for pause in pauses)
        assert len(pauses) > 10
    assert policy.pause_s(1, 7.5) == 7.5


@pytest.mark.parametrize(
    "fields", [{"tries": 0}, {"timeout_s": 0.0}, {"timeout_s": float("nan")}, {"backoff_s": -1.0}]
)
def test_impossible_patience_is_refused(fields):
    with pytest.raises(ConfigError):
        DownloadPolicy(**fields)


def test_a_corrupted_file_is_fetched_once_more_and_never_gets_its_name(serve, store):
    listener = fetched(serve(hs.corrupted, hs.good), store)
    assert any("fetching it again" in sentence for sentence in listener.sentences)
    store.path(make_entry(None)).unlink()
    server = serve(hs.corrupted)
    sentence = refused(server, store)
    digits = hashlib.sha256(CONTENT).hexdigest()[:8]
    assert f"instead of {digits}, twice" in sentence
    assert len(server.requests) == 2
    assert not (store.folder / "tested.pth.part").exists()


def test_the_whole_hash_is_compared_where_it_is_known(serve, store):
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    wrong = sha256[:-1] + ("0" if sha256[-1] != "0" else "1")
    assert f"instead of {wrong}" in refused(serve(), store, sha256=wrong, sha256_prefix=sha256[:8])


def test_a_corrupted_part_of_an_earlier_download_costs_a_second_try_and_no_more(serve, store):
    put_part(store, b"x" * 10_000)
    server = serve()
    fetched(server, store)
    assert server.first_bytes() == [10_000, None]


def test_a_part_that_is_complete_needs_no_server(store):
    part = put_part(store, CONTENT)
    path = download(make_entry("http://127.0.0.1:9/tested.pth"), store, policy=POLICY)
    assert path.read_bytes() == CONTENT
    assert not part.exists()


def test_a_part_that_is_longer_than_the_file_is_fetched_anew(serve, store):
    put_part(store, CONTENT + b"x")
    server = serve()
    fetched(server, store)
    assert server.first_bytes() == [len(CONTENT) + 1, None]


def test_a_truncated_file_whose_length_nobody_knows_is_noticed(serve, store):
    server = serve(hs.truncated_without_length(10_000))
    assert "has a SHA-256 that begins with" in refused(server, store)
    exact = make_entry(f"{serve(hs.truncated_without_length(10_000), hs.good).url}/tested.pth", size_bytes=96_000)
    assert download(exact, store, policy=POLICY).read_bytes() == CONTENT


@pytest.mark.parametrize("known", [{"size_bytes": len(CONTENT)}, {"size_mib": 0.092}])
def test_an_endless_file_is_stopped(serve, store, known):
    sentence = refused(serve(hs.endless), store, **known)
    assert "more than the" in sentence
    assert not (store.folder / "tested.pth.part").exists()


def test_a_file_that_is_promised_too_large_is_not_begun(serve, store):
    server = serve(data=CONTENT + b"x")
    assert "too large for this file" in refused(server, store, size_bytes=len(CONTENT))
    assert len(server.requests) == 1


def test_a_login_page_is_called_one(serve, store):
    assert "a web page" in refused(serve(hs.web_page), store)


def test_a_file_that_comes_compressed_is_refused(serve, store):
    assert "encoded (gzip)" in refused(serve(hs.compressed), store)


@pytest.mark.parametrize("line", ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"])
def test_redirects_are_followed_and_keep_the_place(serve, store, line):
    target = serve(hs.truncated(10_000), hs.good)
    server = serve(hs.redirecting(f"{target.url}/tested.pth", line))
    fetched(server, store)
    assert target.first_bytes() == [None, 10_000]


def test_redirects_may_be_relative_and_have_endless_bodies(serve, store):
    fetched(serve(hs.redirecting("tested.pth?token=1 \xfc"), hs.good), store)
    store.path(make_entry(None)).unlink()
    fetched(serve(hs.redirecting_with_endless_body("/tested.pth"), hs.good), store)


@pytest.mark.parametrize(
    "location", ["file:///etc/hostname", "ftp://127.0.0.1/x", "data:,x", "http://[bad", "", "gopher://x/"]
)
def test_redirects_to_anything_but_the_web_are_refused(serve, store, location):
    server = serve(hs.redirecting(location))
    sentence = refused(server, store)
    assert "redirect" in sentence or "impossible address" in sentence or "no host given" in sentence
    assert len(server.requests) == 1


def test_redirects_in_circles_end(serve, store):
    server = serve(hs.redirecting("/tested.pth"))
    assert "redirects lead nowhere" in refused(server, store)
    assert len(server.requests) == 11


def test_nobody_listening_gives_the_offline_sentence(store):
    with pytest.raises(WeightsError) as caught:
        download(make_entry("http://127.0.0.1:9/tested.pth"), store, policy=POLICY)
    sentence = str(caught.value)
    for part in ("tested", "http://127.0.0.1:9/tested.pth", str(store.folder / "tested.pth"), "`--preset lite`"):
        assert part in sentence
    assert sentence.count("\n") == 0


def test_an_unknown_host_is_not_tried_for_long(store):
    listener = Listener()
    with pytest.raises(WeightsError, match="no internet connection"):
        download(make_entry("http://no.such.host.invalid/x"), store, policy=POLICY, observer=listener)
    assert len(listener.sentences) == 1


def test_the_proxy_of_the_environment_is_asked(serve, store, monkeypatch):
    proxy = serve()
    monkeypatch.setenv("http_proxy", proxy.url)
    path = download(make_entry("http://far.away.invalid/tested.pth"), store, policy=POLICY)
    assert path.read_bytes() == CONTENT
    assert proxy.requests[0].target == "http://far.away.invalid/tested.pth"
    path.unlink()
    server = serve()
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetched(server, store)
    assert len(proxy.requests) == 1


def test_a_mirror_is_asked_instead_and_checked_as_well(serve, store, monkeypatch):
    mirror = serve()
    monkeypatch.setenv("POSETRACK_MIRROR", f"{mirror.url}/")
    far = make_entry("https://far.away.invalid/deep/tested.pth")
    assert download(far, store, policy=POLICY).read_bytes() == CONTENT
    store.path(far).unlink()
    monkeypatch.setenv("POSETRACK_MIRROR", serve(hs.corrupted).url)
    with pytest.raises(WeightsError, match="twice"):
        download(far, store, policy=POLICY)


@pytest.mark.parametrize(
    "mirror", ["ftp://x/", "/local/folder", "https://", "https://me:secret@host/", "http://[x"]
)
def test_an_impossible_mirror_is_refused_and_no_password_printed(store, monkeypatch, mirror):
    monkeypatch.setenv("POSETRACK_MIRROR", mirror)
    with pytest.raises(ConfigError) as caught:
        download(make_entry("https://far.away.invalid/tested.pth"), store, policy=POLICY)
    assert "secret" not in str(caught.value)


def test_a_damaged_file_in_the_store_is_replaced(serve, store):
    store.folder.mkdir(parents=True)
    store.path(make_entry(None)).write_bytes(CONTENT[:-1])
    listener = fetched(serve(), store)
    assert "It is replaced" in listener.sentences[0]


def test_threads_that_want_the_same_file_fetch_it_once(serve, store):
    server = serve(hs.stalled(90_000), hs.good)
    paths = []
    threads = [
        threading.Thread(target=lambda: paths.append(fetched(server, ModelStore(store.folder)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 4
    assert server.first_bytes() == [None, 90_000]


def _fetch_in_a_process(url: str, folder: Path) -> None:
    download(make_entry(url), ModelStore(folder), policy=POLICY)


def test_processes_that_want_the_same_file_fetch_it_once(serve, store):
    server = serve(hs.stalled(90_000), hs.good)
    context = multiprocessing.get_context("spawn")
    arguments = (f"{server.url}/tested.pth", store.folder)
    processes = [context.Process(target=_fetch_in_a_process, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert store.path(make_entry(None)).read_bytes() == CONTENT
    assert len(server.requests) == 2


def _script(url: str, folder: Path, before: str = "") -> list[str]:
    """A program that downloads as the tests here do."""
    code = f"""
        import signal
        import sys
        signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell starts behind a &
        sys.path.insert(0, {str(Path(__file__).parents[1])!r})
        {before}
        from pathlib import Path
        from posetrack.errors import WeightsError
        from posetrack.zoo import DownloadPolicy, ModelStore, download
        from tests.test_zoo_download import make_entry
        try:
            download(make_entry({url!r}), ModelStore(Path({str(folder)!r})), policy=DownloadPolicy(timeout_s=30))
        except WeightsError as error:
            print(error)
            sys.exit(2)
    """
    return [sys.executable, "-c", textwrap.dedent(code)]


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_a_download_that_was_killed_is_taken_up_again(serve, store, blow):
    server = serve(hs.stalled(50_000), hs.good)
    process = subprocess.Popen(_script(f"{server.url}/tested.pth", store.folder), stderr=subprocess.DEVNULL)
    part = store.folder / "tested.pth.part"
    for _ in range(600):
        if part.exists() and part.stat().st_size == 50_000:
            break
        time.sleep(0.05)
    process.send_signal(blow)
    assert process.wait(30) != 0
    assert part.read_bytes() == CONTENT[:50_000]
    fetched(server, store)
    assert server.first_bytes() == [None, 50_000]


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as POSIX does")
def test_a_full_disk_is_one_sentence_and_keeps_what_there_is(serve, store):
    limit = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))"
    )
    server = serve()
    done = subprocess.run(
        _script(f"{server.url}/tested.pth", store.folder, limit), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stdout and "choose another folder with --models-dir" in done.stdout
    assert (store.folder / "tested.pth.part").read_bytes() == CONTENT[:40_000]
    fetched(server, store)
    assert server.first_bytes() == [None, 40_000]


def test_too_small_a_disk_is_noticed_before_the_download(serve, store, monkeypatch):
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    assert "needs 96,000 more bytes" in refused(serve(), store)


def test_a_folder_that_cannot_be_made_is_one_sentence(serve, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(WeightsError, match="cannot write"):
        download(make_entry(f"{serve().url}/tested.pth"), ModelStore(tmp_path / "file" / "models"), policy=POLICY)


def test_a_folder_in_place_of_the_file_is_one_sentence(serve, store):
    (store.folder / "tested.pth").mkdir(parents=True)
    with pytest.raises(WeightsError, match="a folder of that name is in the way"):
        download(make_entry(f"{serve().url}/tested.pth"), store, policy=POLICY)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program to make a certificate")
    folder = tmp_path_factory.mktemp("certificate")
    chain, key = folder / "chain.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(chain)],
        check=True, capture_output=True,
    )  # fmt: skip
    return chain, key


def test_tls_is_checked_and_never_left(serve, store, certificate, monkeypatch):
    plain = serve()
    manners = {"/down": [hs.redirecting(f"{plain.url}/tested.pth")], "/slow": [hs.dripping_headers]}
    files = {"/tested.pth": CONTENT, "/down": b"", "/slow": b""}
    with hs.HostileServer(files, manners, certificate=certificate) as server:
        assert "certificate is not trusted" in refused(server, store)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        fetched(server, store)
        store.path(make_entry(None)).unlink()
        for path, reason in (("/down", "redirects from https"), ("/slow", "timed out")):
            with pytest.raises(WeightsError, match=reason):
                download(make_entry(f"{server.url}{path}"), store, policy=POLICY)
    assert plain.requests == []
