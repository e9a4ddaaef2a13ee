"""A file from the web: whole, bounded in size, through the user's proxies, without sending a password elsewhere."""

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

TIMEOUT = 30.0  # seconds in which nothing arrives
PIECE = 2**18
LONG = 20_000_000  # bytes from which on a progress bar is shown, on a terminal


def download(url: str, path: Path, most: int) -> str:
    """Write what an address has to ``path``; returns its SHA-256.

    Args:
        url: http or https; a user name and a password in it are sent to this server alone, and never printed.
        path: written as the bytes arrive; give a temporary one.
        most: bytes; a longer answer is refused.

    Raises:
        BenchError: the server cannot be reached, refuses, sends too much, or stops before the end.
        OSError: the file cannot be written.
    """
    from tqdm import tqdm

    total, length = hashlib.sha256(), 0
    with opened(url) as response, open(path, "wb") as handle:
        announced = response.headers.get("Content-Length", "")
        expected = int(announced) if announced.isdecimal() else None
        hidden = None if (expected or most) >= LONG else True  # None: hidden unless on a terminal
        with tqdm(total=expected, unit="B", unit_scale=True, desc=path.name, disable=hidden, leave=False) as bar:
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
    """The answer of a server, to be read with ``read``; BenchError as :func:`download` raises it."""
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
    """What went wrong, in one short line."""
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
