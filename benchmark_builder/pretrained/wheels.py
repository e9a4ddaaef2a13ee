"""Reads files in a package's wheel, without installing the package.

The wheel is fetched with pip, which knows the user's mirrors, passwords and proxies. If pip is missing or fails, it is
fetched directly from the package index that pip or uv would use.
"""

import configparser
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from benchmark_builder.pretrained.download import download, opened, reason, without_password
from benchmark_builder.pretrained.table import Wheel
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import open_zip, zip_member

PYPI = "https://pypi.org/simple"
MOST_WHEEL = 2**28  # bytes
MOST_PAGE = 2**24  # bytes of an index's page on one project; PyPI's longest have a few million
_ACCEPT = "application/vnd.pypi.simple.v1+json, text/html;q=0.5"  # PEP 691; PEP 503


def ways(wheel: Wheel) -> Iterator[tuple[str, Callable[[Path], Path]]]:
    """The ways to fetch a wheel, the best first: pairs of a name and a function.

    Each function takes a folder for the download, returns the wheel's path, and raises BenchError if it fails, or
    OSError if the folder cannot be written.
    """
    yield "pip", partial(_by_pip, wheel)
    for index in indexes():
        yield without_password(index), partial(_from_index, wheel, index)


def member(path: Path, name: str, size: int) -> bytes:
    """The bytes of a file in a wheel; the caller checks the digest.

    Raises:
        BenchError: it is not a wheel, is damaged, has no such file, or the file has more than ``size`` bytes.
    """
    try:
        if path.stat().st_size > MOST_WHEEL:
            raise zipfile.BadZipFile(f"it has more than {MOST_WHEEL} bytes")
        return zip_member(open_zip(path), name, size)
    except KeyError:
        raise BenchError(f"{path.name}: has no {name}") from None
    except zipfile.BadZipFile as error:
        raise BenchError(f"{path.name}: is damaged ({error})") from None


def _by_pip(wheel: Wheel, folder: Path) -> Path:
    found = shutil.which("pip") or shutil.which("pip3")
    if importlib.util.find_spec("pip") is not None:
        command = [sys.executable, "-P", "-m", "pip"]  # -P: not a pip.py of the current folder
    elif found:
        command = [found]
    else:
        raise BenchError("not installed")
    platform = wheel.file.removesuffix(".whl").split("-")[-1]
    python = wheel.file.split("-")[2].removeprefix("cp")
    options = [
        "download", "--quiet", "--no-input", "--disable-pip-version-check", "--no-cache-dir", "--no-deps",
        "--only-binary=:all:", "--retries=2", "--implementation=cp",
        f"--python-version={python[0]}.{python[1:]}", f"--platform={platform}",
        f"--dest={folder}", f"{wheel.project}=={wheel.version}",
    ]  # fmt: skip
    try:
        done = subprocess.run([*command, *options], capture_output=True, cwd=folder, stdin=subprocess.DEVNULL)
    except OSError as error:
        raise BenchError(reason(error)) from None
    path = folder / wheel.file
    if done.returncode or not path.is_file():
        lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
        errors = [line for line in lines if line.lower().startswith("error")] or lines
        raise BenchError(errors[-1].removeprefix("ERROR: ")[:160] if errors else f"it brought no {wheel.file}")
    return path


def _from_index(wheel: Wheel, index: str, folder: Path) -> Path:
    page = f"{index.rstrip('/')}/{wheel.project}/"
    with opened(page, _ACCEPT) as response:
        try:
            text = response.read(MOST_PAGE + 1)
        except Exception as error:  # http.client raises many types if a server breaks off
            raise BenchError(reason(error)) from None
        kind, base = response.headers.get_content_type(), response.geturl()
    if len(text) > MOST_PAGE:
        raise BenchError(f"its page about {wheel.project} has more than {MOST_PAGE} bytes")
    links = _json_links(text) if kind.endswith("json") else _html_links(text)
    if wheel.file not in links:
        raise BenchError(f"has no {wheel.file}")
    link, sha256 = links[wheel.file]
    own = urllib.parse.urlsplit(index)
    try:
        url = urllib.parse.urljoin(base, link)
        urllib.parse.urlsplit(url)
    except ValueError:
        raise BenchError(f"its address of {wheel.file} cannot be read") from None
    if urllib.parse.urlsplit(url).netloc == own.netloc.rpartition("@")[2]:  # the same server, the same password
        url = urllib.parse.urlunsplit(urllib.parse.urlsplit(url)._replace(netloc=own.netloc))
    path = folder / wheel.file
    found = download(url, path, MOST_WHEEL)
    if sha256 and found != sha256:
        raise BenchError(f"{wheel.file} is not as the index describes it (its SHA-256 differs)")
    return path


def _json_links(text: bytes) -> dict[str, tuple[str, str]]:
    """File name -> (address, SHA-256 or ""), from a page in the format of PEP 691."""
    try:
        files = json.loads(text)["files"]
        return {str(f["filename"]): (str(f["url"]), str(f.get("hashes", {}).get("sha256", ""))) for f in files}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BenchError("its page is not of a package index") from None


def _html_links(text: bytes) -> dict[str, tuple[str, str]]:
    """The same, from a page in the format of PEP 503."""
    links: dict[str, tuple[str, str]] = {}

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
            link = dict(attrs).get("href") if tag == "a" else None
            if link:
                url, _, fragment = link.partition("#")
                name = urllib.parse.unquote(url.partition("?")[0].rpartition("/")[2])
                links[name] = url, fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else ""

    try:
        Links().feed(text.decode(errors="replace"))
    except (ValueError, AssertionError):
        raise BenchError("its page is not of a package index") from None
    return links


def indexes() -> list[str]:
    """The package indexes that pip or uv would use: from environment variables, pip's files, or else PyPI."""
    env = os.environ
    if env.get("PIP_NO_INDEX") or env.get("UV_NO_INDEX") or env.get("UV_OFFLINE"):
        return []
    first = env.get("PIP_INDEX_URL") or env.get("UV_DEFAULT_INDEX") or env.get("UV_INDEX_URL") or _configured() or PYPI
    more = " ".join(env.get(name, "") for name in ("PIP_EXTRA_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_INDEX"))
    named = [first, *more.split()]
    urls = [url.partition("=")[2] if "=" in url.partition("://")[0] else url for url in named]  # uv's NAME=URL
    return [url for url in dict.fromkeys(urls) if url.startswith(("http://", "https://"))]


def _configured() -> str:
    """``index-url`` in pip's configuration files; the last one takes precedence."""
    home = Path.home()
    files = [
        Path("/etc/pip.conf"), home / ".pip" / "pip.conf",
        Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "pip" / "pip.conf",
        home / "Library" / "Application Support" / "pip" / "pip.conf",
        Path(os.environ.get("APPDATA") or home) / "pip" / "pip.ini",
        Path(sys.prefix) / "pip.conf", Path(os.environ.get("PIP_CONFIG_FILE") or os.devnull),
    ]  # fmt: skip
    parser = configparser.RawConfigParser(strict=False)
    for file in files:
        try:
            parser.read(file)
        except (configparser.Error, UnicodeDecodeError):
            continue
    return parser.get("global", "index-url", fallback="") or parser.get("download", "index-url", fallback="")
