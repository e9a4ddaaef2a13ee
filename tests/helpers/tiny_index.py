"""A local package index with one tiny wheel, and rows of the table of networks for the files in the wheel."""

import hashlib
import json
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmark_builder.pretrained.table import Address, HubFolder, Network, Wheel

WHEEL = "tinynets-1.0-cp312-cp312-manylinux_2_28_x86_64.whl"
CONTENT = {"tiny-a": b"weights of a" * 500, "tiny-b": bytes(range(256)) * 40}


def row(name: str, content: bytes = b"", sha256: str | None = None, without: str = "--masks motion") -> Network:
    """A row for a file in the tiny wheel, with the digest of the expected content."""
    content = content or CONTENT[name]
    wheel = Wheel("tinynets", "1.0", WHEEL, 20_000, f"tinynets/modules/{name}.tflite")
    digest = hashlib.sha256(content).hexdigest() if sha256 is None else sha256
    use = "tests"
    return Network(name, use, "MIT", f"{name}.tflite", len(content), digest, wheel, unasked=True, without=without)


def web_row(url: str, content: bytes, unasked: bool = False) -> Network:
    """A row for a file at a web address."""
    digest = hashlib.sha256(content).hexdigest()
    source = Address(url)
    return Network("tiny-web", "tests", "MIT", "web.pth", len(content), digest, source, unasked, option="--own FILE")


def write_wheel(path: Path, contents: Mapping[str, bytes] = CONTENT) -> Path:
    """A wheel that pip accepts, with one file per content."""
    info = "tinynets-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(f"tinynets/modules/{name}.tflite", content)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tinynets\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


class Server:
    """The content of the index and its behaviour.

    Attributes:
        files: name -> content.
        page: ``json``, ``html``, ``page`` (not an index) or ``link`` (an index with a broken address).
        status: status of every answer, if not 200.
        digest: digest of the wheel on the page; None: the correct one.
        slow: seconds before a file is sent.
        stall: if True, sending stops after half of a file until this is False.
        wants: the Authorization that is required.
        asked: (path, Authorization) of every request.
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.page, self.status, self.slow, self.stall = "json", 200, 0.0, False
        self.digest: str | None = None
        self.wants: str | None = None
        self.asked: list[tuple[str, str | None]] = []
        self.url = ""

    @property
    def index(self) -> str:
        return f"{self.url}/simple"

    def times(self, name: str) -> int:
        """How often a file was requested."""
        return sum(path.endswith(f"/{name}") for path, _ in self.asked)

    def answer(self, path: str, sent: str | None) -> tuple[int, str, bytes]:
        self.asked.append((path, sent))
        if self.status != 200:
            return self.status, "text/plain", b"no"
        if self.wants is not None and sent != self.wants:
            return 401, "text/plain", b"who"
        if path == "/simple/tinynets/":
            return 200, *self._page()
        content = self.files.get(path.removeprefix("/files/"))
        return (404, "text/plain", b"no") if content is None else (200, "application/octet-stream", content)

    def _page(self) -> tuple[str, bytes]:
        if self.page == "page":
            return "application/json", b'["no index"]'
        digests = {name: self.digest or hashlib.sha256(data).hexdigest() for name, data in self.files.items()}
        if self.page == "html":
            links = (f'<a href="../../files/{n}#sha256={digest}">{n}</a>' for n, digest in digests.items())
            return "text/html", f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()
        if self.page == "link":
            return "text/html", f'<a href="http://[::bad/{WHEEL}">{WHEEL}</a>'.encode()
        files = [{"filename": n, "url": f"/files/{n}", "hashes": {"sha256": d}} for n, d in digests.items()]
        page = {"meta": {"api-version": "1.0"}, "name": "tinynets", "files": files}
        return "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()


@contextmanager
def serving() -> Iterator[Server]:
    """Context manager: a server with an empty index."""
    server = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, kind, body = server.answer(self.path, self.headers.get("Authorization"))
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.path.startswith("/files/") and status == 200:
                time.sleep(server.slow)
                if server.stall:
                    self.wfile.write(body[: len(body) // 2])
                    self.wfile.flush()
                    while server.stall:
                        time.sleep(0.01)
                    return
            self.wfile.write(body)

        def log_message(self, *args: object) -> None: ...

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.daemon_threads = True
    server.url = f"http://127.0.0.1:{web.server_address[1]}"
    thread = threading.Thread(target=web.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stall = False
        web.shutdown()
        web.server_close()


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Wait until a condition is true; fail after ``seconds``."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


HUB_FILES = ("config.json", "model.safetensors")


def hub_row() -> Network:
    """A row for a repository on the Hugging Face hub."""
    source = HubFolder("me/tiny", HUB_FILES)
    return Network("tiny-hub", "tests", "MIT", "tiny-hub", 1000, "", source, unasked=True, option="--own FOLDER")


def hub_cache(folder: Path) -> Path:
    """The repository in a cache of the hub, in its form: large files are links to blobs named by their SHA-256."""
    repository = folder / "models--me--tiny"
    snapshot = repository / "snapshots" / "0123abcd"
    for part in (repository / "refs", repository / "blobs", snapshot):
        part.mkdir(parents=True)
    (repository / "refs" / "main").write_text("0123abcd")
    weights = bytes(range(200)) * 5
    blob = repository / "blobs" / hashlib.sha256(weights).hexdigest()
    blob.write_bytes(weights)
    (repository / "blobs" / ("c" * 40)).write_text("{}")  # a small file is named by its git hash
    (snapshot / "model.safetensors").symlink_to(f"../../blobs/{blob.name}")
    (snapshot / "config.json").symlink_to(f"../../blobs/{'c' * 40}")
    return snapshot
