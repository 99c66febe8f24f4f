"""The data service's client against real services, over connections that break."""

from __future__ import annotations

import io
import random
import socket
import threading
import time
import zipfile
import zlib
from contextlib import closing, suppress
from pathlib import Path

import pytest
from requests.adapters import BaseAdapter

from ijp.catalog import CatalogClient
from ijp.datastore import DatastoreClient, Selection, Sent
from ijp.downloads import file_name
from ijp.errors import (
    BadRequestError,
    InternalError,
    NotAuthenticatedError,
    NotFoundError,
    PortalError,
    UnavailableError,
)
from ijp.tus import _Checksum
from servicekit.embedded import Process

CONTENT = bytes(range(251)) * 40_000


@pytest.fixture(scope="module")
def site(make_site, tmp_path_factory):
    return make_site(tmp_path_factory.mktemp("clients") / "site")


@pytest.fixture(scope="module")
def served(site, serving):
    with serving(site, "catalog", "datastore") as served:
        yield served


@pytest.fixture(scope="module")
def session_id(site, served):
    catalog = CatalogClient(served.url + "/icat")
    credentials = {"username": "ana", "password": site.passwords["ana"]}
    return catalog.login("simple", credentials).session_id


@pytest.fixture
def datastore(served, session_id):
    """The service, for ana, over a socket."""
    return DatastoreClient(served.url + "/ids").session(session_id)


@pytest.fixture
def place(site, request):
    """Where ana's files go, in a dataset of the test's own: arguments of ``put``."""
    dataset = site.catalog().create(
        "Dataset",
        name=request.node.name,
        investigation={"id": site.investigation_ids[0]},
        type={"id": site.dataset_type_id},
    )
    return {"dataset_id": dataset, "datafile_format_id": site.datafile_format_id}


@pytest.fixture
def stored_files(site, place):
    """The files of that dataset in the storage, finished or not."""
    folder = site.folder / "data" / str(site.investigation_ids[0]) / str(place["dataset_id"])
    return lambda: list(folder.iterdir()) if folder.exists() else []


@pytest.fixture
def datafiles(site, place):
    """The datafiles of that dataset in the catalog."""
    text = f"SELECT df.id FROM Datafile df WHERE df.dataset.id = {place['dataset_id']}"
    return lambda: site.catalog("root").search(text)


class Line:
    """A way to a server; a connection is cut after a number of bytes of a download's answer."""

    def __init__(self, url: str, cuts: list[int]) -> None:
        self._target = ("127.0.0.1", int(url.rpartition(":")[2]))
        self._cuts = cuts
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.downloads: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            left: list[int] = []
            for carry in (self._ask, self._answer):
                threading.Thread(target=carry, args=(client, server, left), daemon=True).start()

    def _ask(self, client: socket.socket, server: socket.socket, left: list[int]) -> None:
        with suppress(OSError):
            while data := client.recv(65536):
                if b"GET /ids/getData" in data:
                    self.downloads.append(data.decode())
                    left[:] = [self._cuts.pop(0)] if self._cuts else []
                server.sendall(data)
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)

    def _answer(self, client: socket.socket, server: socket.socket, left: list[int]) -> None:
        with client, server, suppress(OSError):
            while data := server.recv(65536):
                if left:
                    data = data[: left[0]]
                    left[0] -= len(data)
                client.sendall(data)
                if left == [0]:
                    break
            client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def line(served, session_id):
    """Makes a session of the service behind a line that is cut."""
    made = []

    def line(*cuts: int):
        broken = Line(served.url, list(cuts))
        made.append(broken)
        return DatastoreClient(broken.url + "/ids").session(session_id), broken

    yield line
    for one in made:
        one.close()


def test_ping_and_version(served):
    client = DatastoreClient(served.url + "/ids/")
    client.ping()
    assert client.version() == "2.1.1"
    assert client.takes_header()


def test_something_else_is_no_data_service(served):
    with pytest.raises(PortalError):
        DatastoreClient(served.url + "/icat").ping()


def test_a_file_goes_in_and_out(datastore, place, tmp_path):
    """req. 30, 36: by path, by open file, by pieces."""
    path = tmp_path / "in"
    path.write_bytes(CONTENT)
    moved = []
    by_path = datastore.put(path, name="path", progress=moved.append, **place)
    with path.open("rb") as file:
        by_file = datastore.put(file, name="file", **place)
    by_pieces = datastore.put((CONTENT[:7], b"", CONTENT[7:]), name="pieces", **place)
    assert sum(moved) == len(CONTENT)
    for stored in (by_path, by_file, by_pieces):
        assert (stored.size, stored.checksum) == (len(CONTENT), zlib.crc32(CONTENT))
        with datastore.get_data(Selection(datafile_ids=[stored.id])) as download:
            moved = []
            assert download.save(tmp_path / "out", moved.append) == len(CONTENT)
        assert (tmp_path / "out").read_bytes() == CONTENT
        assert sum(moved) == len(CONTENT)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["in", "out"]


def test_no_session_is_in_an_address(datastore, place, served):
    """Security 15, 20."""
    datastore.put([b"abc"], name="a", **place)
    datastore.size(Selection(dataset_ids=[place["dataset_id"]]))
    assert datastore.session_id not in served.log.read_text()


def test_a_service_that_takes_no_header_gets_a_parameter(datastore, place):
    datastore.datastore._announced = {"version": "1.8.0"}
    stored = datastore.put([b"abc"], name="a", **place)
    selection = Selection(datafile_ids=[stored.id])
    assert datastore.size(selection) == 3
    id = datastore.prepare(selection, zip=True)
    with datastore.datastore.get_prepared(id) as download:
        assert zipfile.is_zipfile(io.BytesIO(b"".join(download.blocks())))
    datastore.delete(selection)
    with pytest.raises(NotFoundError):
        datastore.size(selection)


def test_a_download_goes_on_when_the_connection_breaks(datastore, place, line):
    stored = datastore.put([CONTENT], name="a", **place)
    broken, cut = line(100_000, 5_000_000, 2_000)
    with broken.get_data(Selection(datafile_ids=[stored.id])) as download:
        assert b"".join(download.blocks()) == CONTENT
        assert download.offset == len(CONTENT)
    assert len(cut.downloads) == 4
    assert all("Range: bytes=" in one and "If-Range: " in one for one in cut.downloads[1:])


@pytest.mark.parametrize("compress", [False, True])
def test_a_zip_goes_on_when_the_connection_breaks(datastore, place, line, compress, tmp_path):
    noise = random.Random(1).randbytes(300_000)
    for name in ("a", "b"):
        datastore.put([noise, name.encode()], name=name, **place)
    broken, cut = line(100_000, 250_000)
    selection = Selection(dataset_ids=[place["dataset_id"]])
    with broken.get_data(selection, compress=compress) as download:
        download.save(tmp_path / "out.zip")
    assert len(cut.downloads) == 3
    with zipfile.ZipFile(tmp_path / "out.zip") as archive:
        assert archive.testzip() is None
        contents = {archive.read(name) for name in archive.namelist()}
    assert contents == {noise + b"a", noise + b"b"}


def test_a_download_gives_up_and_leaves_no_file(datastore, place, line, tmp_path):
    stored = datastore.put([CONTENT], name="a", **place)
    broken, _ = line(100_000, *[0] * 20)
    with (
        broken.get_data(Selection(datafile_ids=[stored.id])) as download,
        pytest.raises(UnavailableError, match=r"broke|does not answer"),
    ):
        download.save(tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def test_a_download_begins_where_the_last_one_ended(datastore, place):
    stored = datastore.put([CONTENT], name="a", **place)
    with datastore.get_data(Selection(datafile_ids=[stored.id]), start=1_000_000) as download:
        assert download.size == len(CONTENT) - 1_000_000
        assert b"".join(download.blocks()) == CONTENT[1_000_000:]
    with pytest.raises(BadRequestError):
        datastore.get_data(Selection(datafile_ids=[stored.id]), start=len(CONTENT))


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_an_upload_that_is_cut_off_leaves_nothing(
    served, session_id, framing, place, stored_files, datafiles
):
    """Bad input: an upload cut off halfway, by a connection that closes."""
    path = (
        f"/ids/put?name=a&datasetId={place['dataset_id']}"
        f"&datafileFormatId={place['datafile_format_id']}"
    )
    framed = {"chunked": "Transfer-Encoding: chunked", "length": "Content-Length: 2000000"}
    head = f"PUT {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {session_id}\r\n"
    body = b"x" * 1_000_000
    if framing == "chunked":
        body = b"%x\r\n%s\r\n%x\r\n%s" % (len(body), body, len(body), body[:10])
    address = ("127.0.0.1", int(served.url.rpartition(":")[2]))
    with closing(socket.create_connection(address)) as connection:
        connection.sendall(f"{head}{framed[framing]}\r\n\r\n".encode() + body)
        _wait_until(lambda: stored_files() != [])
    _wait_until(lambda: stored_files() == [])
    assert datafiles() == []


def _wait_until(is_so) -> None:
    until = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_who_sends_much_and_is_refused_hears_why(datastore, place):
    """The answer arrives although the client is still sending."""
    lost = datastore.datastore.session("00000000-0000-4000-8000-000000000000")
    with pytest.raises(NotAuthenticatedError):
        lost.put((bytes(1 << 20) for _ in range(64)), name="a", **place)


def test_a_server_that_dies_in_the_middle_is_not_sent_the_rest(datastore, place, line):
    """A repeated call would store the second half as the file."""
    datastore.datastore.version()
    _, cut = line()
    broken = DatastoreClient(cut.url + "/ids").session(datastore.session_id)
    broken.datastore.version()

    def pieces():
        yield bytes(1 << 20)
        cut.close()
        raise ConnectionResetError("the line is dead")

    with pytest.raises((UnavailableError, ConnectionResetError)):
        broken.put(pieces(), name="a", **place)
    sent = Sent((b"a", b"b"), None)
    assert list(sent) == [b"a", b"b"]
    with pytest.raises(UnavailableError, match="broke"):
        list(sent)


class Noise(BaseAdapter):
    """A line on which a byte changes."""

    def __init__(self, inner: BaseAdapter) -> None:
        super().__init__()
        self._inner = inner

    def send(self, request, **options):
        if request.method == "PUT":
            request.body = [block.replace(b"b", b"x") for block in request.body]
        return self._inner.send(request, **options)

    def close(self) -> None:
        pass


def test_what_changed_on_the_way_is_not_kept(site, place, stored_files, datafiles):
    """req. 15: the client verifies the checksum."""
    process = Process(site.settings_file)
    inner = process.http.get_adapter("http://datastore.embedded")
    process.http.mount("http://datastore.embedded", Noise(inner))
    client = DatastoreClient("http://datastore.embedded/ids", process.http)
    noisy = client.session(site.catalog().session_id)
    with pytest.raises(InternalError, match="deleted again"):
        noisy.put([b"abc"], name="a", **place)
    assert (stored_files(), datafiles()) == ([], [])
    with pytest.raises(BadRequestError, match="CRC-32"):
        noisy.put([b"abc"], name="a", checksum=zlib.crc32(b"abc"), **place)


@pytest.mark.parametrize("passed", [[], [(0, 7)], [(0, 7), (7, 10)], [(0, 7), (3, 9)], [(4, 10)]])
def test_the_checksum_of_what_was_sent_is_that_of_the_file(tmp_path, passed):
    """Parts pass once, twice, or never: an upload may go on anywhere."""
    path, checksum = tmp_path / "file", _Checksum()
    path.write_bytes(b"0123456789")
    for start, end in passed:
        checksum.add(start, b"0123456789"[start:end])
    assert checksum.of_all(path) == zlib.crc32(b"0123456789")


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a b.nxs"', "a b.nxs"),
        ("attachment; filename=\"_.nxs\"; filename*=UTF-8''%C3%BC.nxs", "ü.nxs"),
        ('attachment; filename="a\\"b"', 'a"b'),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ("attachment; filename*=UTF-8''..%2F..%2Fx%0A", "x"),
        ('attachment; filename=".."', "download"),
        ("attachment", "download"),
    ],
)
def test_a_proposed_name_stays_in_its_folder(header, name):
    assert file_name(header) == name


def _most_memory(pid: int | str) -> int:
    """Peak of a process's memory in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return 1024 * int(next(line.split()[1] for line in lines if line.startswith("VmHWM")))


@pytest.mark.slow
def test_2_gib_go_in_and_out_with_flat_memory(datastore, place, served, tmp_path):
    """Memory of the server, and of the client, grows by at most 64 MiB."""
    size = (2 << 30) + 1
    source = tmp_path / "source"
    with source.open("wb") as file:
        file.truncate(size)
        file.seek(size // 2)
        file.write(b"here")
    datastore.put([b"warm"], name="warm", **place)
    before, own_before = _most_memory(served.pid), _most_memory("self")
    stored = datastore.put(source, name="large", **place)
    assert stored.size == size
    for selection in (
        Selection(datafile_ids=[stored.id]),
        Selection(dataset_ids=[place["dataset_id"]]),
    ):
        received = 0
        with datastore.get_data(selection) as download:
            for block in download.blocks():
                received += len(block)
            assert received == download.size
    assert received > size
    assert _most_memory(served.pid) - before < 64 << 20
    assert _most_memory("self") - own_before < 64 << 20
