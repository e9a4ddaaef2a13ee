"""The store of weights of trained networks, and how they get there: verified, never as partial files.

They are looked for in ``$BENCH_WEIGHTS`` (a folder of files, for machines without internet), then in the store:
``weights/`` in the cache folder, torch hub's checkpoints (files that torch also uses), or the Hugging Face hub's cache.
"""

import hashlib
import importlib.util
import os
import re
import shutil
import sys
import uuid
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from benchmark_builder.pretrained import wheels
from benchmark_builder.pretrained.download import download
from benchmark_builder.pretrained.table import NETWORKS, Address, HubFolder, Network, Wheel, network_of
from benchmark_builder.utils.digests import cache_folder, known_digest
from benchmark_builder.utils.errors import BenchError, system_error
from benchmark_builder.utils.files import copy_whole, remove, sha256_file, whole_file
from benchmark_builder.utils.text import shown

LOCK = ".weights.lock"
_LEFTOVER = re.compile(r"\.tmp-[0-9a-f]{32}(\.\w+)?")
_SHA256 = re.compile(r"[0-9a-f]{64}")

Say = Callable[[str], None]


def on_stderr(line: str) -> None:
    """Print a line on standard error."""
    print(shown(line), file=sys.stderr, flush=True)


def weights_file(name: str, given: Path | None = None, say: Say = on_stderr) -> Path:
    """The verified file of a network's weights; weights of a small network are fetched if they are missing.

    Args:
        name: a name of :data:`~benchmark_builder.pretrained.table.NETWORKS`.
        given: the user's file, which must be this network's; None: look for one.
        say: called with a line about a download.

    Returns:
        The file; a folder for a network of the Hugging Face hub. Its digest is that in the table (a cached digest is
        used, which is computed again if the file's size or time stamps change).

    Raises:
        BenchError: the network is unknown; the file is another one; or it is missing and cannot be fetched (the message
            says how to get it, and what works without it).
    """
    network = network_of(name)
    if given is not None:
        _check(network, given, f"give the file that `bench weights fetch {name}` brings")
        return given
    path = find(network)
    if path is not None:
        wrong = fault(network, path)
        if not wrong:
            return path
        if path != kept_at(network) or not isinstance(network.source, Wheel):  # others may use the file: keep it
            raise BenchError(f"{path}: {wrong}; delete it and run `bench weights fetch {name}`{_own(network)}")
    if network.unasked:
        return fetch(name, say=say)
    download = f", download {network.source.url} to that place" if isinstance(network.source, Address) else ""
    raise BenchError(
        f"{kept_at(network)}: {network.file} is missing ({_facts(network)}); run `bench weights fetch {name}`"
        f"{download}{_own(network)}"
    )


def fetch(name: str, source: Path | None = None, say: Say = on_stderr) -> Path:
    """Fetch a network's weights into the store, unless they are already there.

    Args:
        name: a name of :data:`~benchmark_builder.pretrained.table.NETWORKS`.
        source: the user's file (for a network of a wheel: the file or the wheel; of the Hugging Face hub: the folder),
            copied after it was verified; None: the source in the table.
            say: called with lines about the progress.

    Returns:
        The file; a folder for a network of the Hugging Face hub.

    Raises:
        BenchError: it cannot be fetched (the message names every way that was tried), is another file, or cannot be
            written.
    """
    network = network_of(name)
    target = kept_at(network)
    if source is None:
        found = find(network)
        wrong = fault(network, found) if found is not None else ""
        if found is not None and not wrong:
            return found
        if found is not None and (found != target or isinstance(network.source, HubFolder)):  # not our file: keep it
            raise BenchError(f"{found}: {wrong}; delete it and run `bench weights fetch {name}` again")
        if isinstance(network.source, HubFolder):
            return _from_hub(network, network.source, say)
    try:
        with _alone(target.parent, say):
            if source is not None:
                _copy(network, source, target)
                return target
            if target.is_file() and is_published(network, target):  # another process was faster
                return target
            if target.is_file():
                say(f"{target}: {fault(network, target)}; it is replaced")
            if isinstance(network.source, Wheel):
                _from_wheel(network, network.source, target, say)
            elif isinstance(network.source, Address):
                _from_address(network, network.source, target, say)
    except OSError as error:
        if source is None or not str(error.filename).startswith(str(source)):
            error.filename = error.filename2 = None  # a temporary file's name would not help a user
        raise system_error(error, target.parent) from None
    return target


def find(network: Network) -> Path | None:
    """The place of the weights, which are not verified; None if they are missing.

    Raises:
        BenchError: ``$BENCH_WEIGHTS`` is not a folder.
    """
    folder = os.environ.get("BENCH_WEIGHTS")
    if folder and not Path(folder).is_dir():
        raise BenchError(f"BENCH_WEIGHTS={folder}: no such folder; give one with files of weights, or unset it")
    for path in ([Path(folder) / network.file] if folder else []) + [kept_at(network)]:
        if path.exists():
            return path
    if isinstance(network.source, HubFolder):
        return _hub_cached(network.source.repository, network.source.files)
    return None


def state(network: Network) -> tuple[str, Path | None]:
    """Whether the weights exist: ``yes``, ``no``, or ``damaged`` (another file, or unreadable); and their place."""
    path = find(network)
    if path is None:
        return "no", None
    try:
        return ("yes" if is_published(network, path) else "damaged"), path
    except BenchError:
        return "damaged", path


def kept_at(network: Network) -> Path:
    """The place for the weights in the store."""
    folder = torch_hub() if isinstance(network.source, Address) else cache_folder() / "weights"
    return folder / network.file


def torch_hub() -> Path:
    """The folder of torch hub's downloaded checkpoints; found without importing torch."""
    hub = sys.modules.get("torch.hub")
    if hub is not None:
        return Path(hub.get_dir()) / "checkpoints"
    home = os.environ.get("TORCH_HOME")
    base = Path(home) if home else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "torch"
    return base.expanduser() / "hub" / "checkpoints"


def is_published(network: Network, path: Path) -> bool:
    """Whether :func:`fault` finds no error in a file or a folder."""
    return not fault(network, path)


def fault(network: Network, path: Path) -> str:
    """The error in existing weights, in words; "" if there is none, or if no digest is published.

    In the Hugging Face hub's cache, large files are links to files whose names are their SHA-256.

    Raises:
        BenchError: they cannot be read.
    """
    if isinstance(network.source, HubFolder):
        for name in network.source.files:
            blob = (path / name).resolve()
            if _SHA256.fullmatch(blob.name) and known_digest(blob) != blob.name:
                return f"its {name} is damaged (its SHA-256 is not {blob.name[:8]}…)"
        return ""
    return _differs(network, known_digest(path)) if network.sha256 else ""


def _differs(network: Network, found: str) -> str:
    if found.startswith(network.sha256):
        return ""
    return f"damaged, or not {network.file} as published (SHA-256 {found[:8]}…, not {network.sha256[:8]}…)"


def hub_folder(repository: str, files: tuple[str, ...]) -> Path:
    """The folder with files of a repository on the Hugging Face hub, downloaded into the hub's cache if missing.

    Raises:
        BenchError: it is missing and cannot be downloaded; the message says why, but not how to fix it.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    found = _hub_cached(repository, files)
    if found is not None:
        return found  # no request to the hub for existing files
    try:
        folder = Path(snapshot_download(repository, allow_patterns=list(files)))
        if _has_weights(folder, files):
            return folder
        raise BenchError(f"{repository}: has no {', '.join(files)} on the Hugging Face hub")
    except LocalEntryNotFoundError:
        offline = " (HF_HUB_OFFLINE is set)" if os.environ.get("HF_HUB_OFFLINE") else ""
        raise BenchError(
            f"{repository}: is not in the local cache and the Hugging Face hub cannot be reached{offline}"
        ) from None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        said = str(error).strip().split("\n")[0][:120]
        raise BenchError(f"{repository}: cannot be had from the Hugging Face hub ({said})") from None


def _hub_cached(repository: str, files: tuple[str, ...]) -> Path | None:
    if importlib.util.find_spec("huggingface_hub") is None:
        return None  # what would have stored them
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(repository, allow_patterns=list(files), local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, OSError):
        return None
    return folder if _has_weights(folder, files) else None


def _has_weights(folder: Path, files: tuple[str, ...]) -> bool:
    return all((folder / name).is_file() for name in files if name.endswith(".safetensors"))


@contextmanager
def _alone(folder: Path, say: Say) -> Iterator[None]:
    """Context manager: make ``folder``, lock it for one process, and delete temporary files of a killed one."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            say(f"{folder}: another process is fetching weights; waiting for it")
            lock.acquire()
    except NotImplementedError:  # a file system without locks: two processes may fetch, which is safe
        yield
        return
    try:
        for path in folder.iterdir():
            if _LEFTOVER.fullmatch(path.name):
                remove(path)
        yield
    finally:
        lock.release()


def _copy(network: Network, source: Path, target: Path) -> None:
    """Copy the user's file, and verify the copy, which nobody else can change."""
    if isinstance(network.source, HubFolder):
        missing = [name for name in network.source.files if not (source / name).is_file()]
        if missing:
            raise BenchError(f"{source}: has no {missing[0]}; give a folder with {', '.join(network.source.files)}")
        folder = target.with_name(f".tmp-{uuid.uuid4().hex}")
        try:
            for name in network.source.files:
                copy_whole(source / name, folder / name)
            remove(target)
            folder.replace(target)
        finally:
            remove(folder)
        return
    if not source.is_file():
        raise BenchError(f"{source}: no such file; give {network.file} as --from")
    if source.resolve() == target.resolve():
        _check(network, source, "give another file as --from")
        return
    most = 2 * network.size if not isinstance(network.source, Wheel) else wheels.MOST_WHEEL
    if source.stat().st_size > most:  # refused before it is copied
        raise BenchError(f"{source}: larger than {network.file} ({size_text(network.size)}); give that as --from")
    with whole_file(target) as temporary:
        if isinstance(network.source, Wheel) and zipfile.is_zipfile(source):
            temporary.write_bytes(wheels.member(source, network.source.member, network.size))
        else:
            shutil.copyfile(source, temporary)
        wrong = _differs(network, sha256_file(temporary))
        if wrong:
            raise BenchError(f"{source}: {wrong}; nothing was copied; give another file as --from")


def _from_wheel(network: Network, wheel: Wheel, target: Path, say: Say) -> None:
    say(
        f"fetching {network.file} ({_facts(network)}, for {network.use}) from the package "
        f"{wheel.project} {wheel.version}: downloads {size_text(wheel.size)}, keeps {size_text(network.size)} "
        f"at {target.parent}"
    )
    # Other networks in the wheel are stored too, so that it is downloaded once. The requested one is written last:
    # if it exists, the others were written, even if this process is killed.
    rows = [n for n in NETWORKS.values() if isinstance(n.source, Wheel) and n.source.file == wheel.file]
    others = [n for n in rows if n != network and not (kept_at(n).is_file() and is_published(n, kept_at(n)))]
    wanted = [*others, network]
    tried = []
    for way, bring in wheels.ways(wheel):
        folder = target.with_name(f".tmp-{uuid.uuid4().hex}")
        folder.mkdir()
        contents = {}
        try:
            path = bring(folder)
            for each in wanted:
                try:
                    contents[each.name] = _member(each, path)
                except BenchError:
                    if each is network:  # errors of the others are reported when they are requested
                        raise
        except BenchError as error:
            tried.append(f"{error}" if str(error).startswith(way) else f"{way}: {error}")
        finally:
            remove(folder)
        if network.name in contents:
            for each in wanted:
                if each.name in contents:
                    with whole_file(kept_at(each)) as temporary:
                        temporary.write_bytes(contents[each.name])
            return
    raise _cannot(network, target, "; ".join(tried))


def _member(network: Network, path: Path) -> bytes:
    """The bytes of a network's file in a wheel.

    Raises:
        BenchError: it is missing, or is another file.
    """
    assert isinstance(network.source, Wheel)
    data = wheels.member(path, network.source.member, network.size)
    if hashlib.sha256(data).hexdigest() != network.sha256:
        raise BenchError(f"its {network.source.member} is another file (its SHA-256 differs)")
    return data


def _from_address(network: Network, address: Address, target: Path, say: Say) -> None:
    say(f"fetching {network.file} ({_facts(network)}, for {network.use}) from {address.url} to {target.parent}")
    try:
        with whole_file(target) as temporary:
            found = download(address.url, temporary, 2 * network.size)
            if not found.startswith(network.sha256):
                raise BenchError(f"another file is there (SHA-256 {found[:16]}…)")
    except BenchError as error:
        raise _cannot(network, target, str(error).removeprefix(f"{address.url}: ")) from None
    if not network.sha256:
        say(f"{target}: no digest is published; its SHA-256 is {found}")


def _from_hub(network: Network, hub: HubFolder, say: Say) -> Path:
    if not os.environ.get("HF_HUB_OFFLINE"):
        say(
            f"fetching {network.file} ({_facts(network)}, for {network.use}) from the Hugging Face hub, "
            f"{hub.repository}"
        )
    try:
        return hub_folder(hub.repository, hub.files)
    except BenchError as error:
        raise BenchError(
            f"{error}; download it elsewhere (`hf download {hub.repository}`) and run `bench weights fetch "
            f"{network.name} --from FOLDER`, or set BENCH_WEIGHTS to the folder with {network.file}{_own(network)}"
        ) from None


def _check(network: Network, path: Path, fix: str) -> None:
    if not path.exists():
        raise BenchError(f"{path}: no such file; {fix}")
    wrong = fault(network, path)
    if wrong:
        raise BenchError(f"{path}: {wrong}; {fix}")


def _cannot(network: Network, target: Path, why: str) -> BenchError:
    if isinstance(network.source, Address):
        start = f"{network.source.url}: cannot be fetched ({why}); download it by other means and put it at {target}"
    else:
        start = (
            f"{network.file} ({_facts(network)}): cannot be fetched ({why}); run `bench weights fetch {network.name}` "
            f"on a machine with a network and copy the file that it names to {target}"
        )
    without = f"; or give {network.without}" if network.without else ""
    return BenchError(
        f"{start}, or run `bench weights fetch {network.name} --from FILE`, or set BENCH_WEIGHTS to its folder"
        f"{_own(network)}{without}"
    )


def _own(network: Network) -> str:
    return f", or give {network.option}" if network.option else ""


def _facts(network: Network) -> str:
    return f"{size_text(network.size)}, {network.licence}"


def size_text(size: int) -> str:
    """A number of bytes as text: ``250 kB``, ``6.4 MB``, ``2.56 GB``."""
    if size < 1_000_000:
        return f"{size / 1000:.0f} kB"
    return f"{size / 1e6:.3g} MB" if size < 1_000_000_000 else f"{size / 1e9:.3g} GB"
