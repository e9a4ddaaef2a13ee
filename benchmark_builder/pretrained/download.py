"""Downloads a file from the web, with a size limit and the user's proxies; passwords go to their own server only."""

import base64
import hashlib
import http.client
import os
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmark_builder.utils.errors import BenchError

TIMEOUT = 30.0  # seconds without any data
PIECE = 2**18
LONG = 20_000_000  # bytes; larger downloads show a progress bar on a terminal


def download(url: str, path: Path, most: int) -> str:
    """Download ``url`` to ``path``; returns the SHA-256 of the content.

    Args:
        url: http or https; a user name and password in it are sent to this server only, and never printed.
        path: the file; it may be partial after an error, so give a temporary one.
        most: largest number of bytes; a longer answer is refused.

    Raises:
        BenchError: the server cannot be reached, refuses, sends too much, or stops before the end.
        OSError: the file cannot be written.
    """
    from benchmark_builder.utils.progress import Bar

    total, length = hashlib.sha256(), 0
    with opened(url) as response, open(path, "wb") as handle:
        announced = response.headers.get("Content-Length", "")
        expected = int(announced) if announced.isdecimal() else None
        hidden = None if (expected or most) >= LONG else True  # None: hidden unless on a terminal
        with Bar(total=expected, unit="B", unit_scale=True, desc=path.name, disable=hidden, leave=False) as bar:
            while piece := _piece(response, url):
                length += len(piece)
                if length > most:
                    raise BenchError(f"{without_password(url)}: sends more than {most} bytes")
                total.update(piece)
                handle.write(piece)
                bar.update(len(piece))
    if expected is not None and length < expected:
        raise BenchError(f"{without_password(url)}: stopped after {length} of {expected} bytes")
    return total.hexdigest()


@contextmanager
def opened(url: str, accept: str = "*/*") -> Iterator[Any]:
    """The answer of a server, to be read with ``read``. Raises BenchError as :func:`download`."""
    address = without_password(url)
    if not address.startswith(("http://", "https://")):
        raise BenchError(f"{address}: neither http nor https")
    try:
        request = urllib.request.Request(address, headers={"User-Agent": "albar-bench", "Accept": accept})
        if sent := _credentials(url):
            request.add_unredirected_header("Authorization", sent)
        own = os.environ.get("PIP_CERT") or os.environ.get("REQUESTS_CA_BUNDLE") or None
        folder = own is not None and Path(own).is_dir()
        context = ssl.create_default_context(cafile=None if folder else own, capath=own if folder else None)
        response = urllib.request.urlopen(request, timeout=TIMEOUT, context=context)
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise BenchError(f"{address}: {reason(error)}") from None
    with response:
        yield response


def without_password(url: str) -> str:
    """The address without a user name and a password."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return "an address that cannot be read"
    return urllib.parse.urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def reason(error: Exception) -> str:
    """The error in one short line."""
    if isinstance(error, urllib.error.HTTPError):
        return f"HTTP {error.code}"
    inner = error.reason if isinstance(error, urllib.error.URLError) else error
    said = inner.strerror if isinstance(inner, OSError) and inner.strerror else str(inner)
    return " ".join(said.split())[:120] or type(error).__name__


def _credentials(url: str) -> str:
    own, _, _ = urllib.parse.urlsplit(url).netloc.rpartition("@")
    return f"Basic {base64.b64encode(urllib.parse.unquote(own).encode()).decode()}" if own else ""


def _piece(response: Any, url: str) -> bytes:
    try:
        piece: bytes = response.read(PIECE)
    except (OSError, http.client.HTTPException) as error:
        raise BenchError(f"{without_password(url)}: {reason(error)}") from None
    return piece
