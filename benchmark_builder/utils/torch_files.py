"""Checks files of ``torch.save`` from others before PyTorch opens them.

PyTorch's weights-only loader runs no code, but it trusts the sizes of tensors and storages in the file, and a deeply
nested key crashes the process. These checks do not need PyTorch.
"""

import mmap
import zipfile
from pathlib import Path, PurePosixPath

from benchmark_builder.utils.files import MOST_DIRECTORY, zip_directory
from benchmark_builder.utils.safe_pickle import (
    TORCH_MAGIC,
    Anything,
    Machine,
    Name,
    Refused,
    check_view,
    encode,
    ordered,
    storage_claim,
    storage_width,
)

MOST_PICKLE = 2**26  # bytes of everything except tensors
_REBUILT = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_tensor_v3")
# Used in options and statistics next to weights; PyTorch does not allow them, and readers of weights ignore them.
_NAMED = frozenset(
    f"builtins.{name}" for name in "object slice range list dict tuple frozenset int float str bool".split()
)
_NAMED |= {"torch.torch_version.TorchVersion"}
_WRAPPED = ("_rebuild_parameter", "_rebuild_parameter_with_state")


def check_torch_file(path: Path) -> None:
    """Raise Refused if loading a file could crash the process or allocate far too much memory.

    PyTorch itself refuses code, unknown types and damaged files.

    Raises:
        Refused: the file is dangerous.
        OSError: it cannot be read.
        Exception: any exception, if it is damaged or not a file of torch.save.
    """
    with open(path, "rb") as handle:
        if not path.stat().st_size:
            raise Refused("it is empty")
        with mmap.mmap(handle.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if data[:4] == b"PK\x03\x04":
                _check_zip(path, data)
            elif data[:1] == b"\x80":
                _check_stream(data)
            else:
                raise Refused("it is not a file of torch.save")


class _Storage:
    """A storage of ``count`` numbers for tensors."""

    def __init__(self, count: int) -> None:
        self.count = count


def _tensor(machine: Machine, storage: object, offset: object, size: object, stride: object, *rest: object) -> Anything:
    if not isinstance(storage, _Storage) or not isinstance(size, tuple) or not isinstance(stride, tuple):
        raise Refused("it has a tensor of an unknown kind")
    check_view(storage.count, offset, size, stride)
    return Anything()


def _typed(machine: Machine, function: object, kind: object, given: object, state: object = None) -> Anything:
    """A tensor with attributes, created by another function here."""
    if function not in (_tensor, _parameter) or not isinstance(given, tuple):
        raise Refused("it has a tensor of an unknown kind")
    function(machine, *given)
    return Anything()


def _parameter(machine: Machine, *rest: object) -> Anything:
    return Anything()


def _find(module: str, name: str) -> object:
    """Calls that PyTorch would make are checked, or refused if they can allocate memory; PyTorch refuses unknown ones.

    Types that are only named (``torch.float32``) are not calls.
    """
    if module == "torch._utils" and name in _REBUILT:
        return _tensor
    if module == "torch._utils" and name in _WRAPPED:
        return _parameter
    if (module, name) == ("torch._tensor", "_rebuild_from_type_v2"):
        return _typed
    if (module, name) == ("collections", "OrderedDict"):
        return ordered
    if (module, name) == ("_codecs", "encode"):
        return encode
    known = module in ("torch", "torch.storage", "torch.nn.parameter") and not name.endswith("Tensor")
    known |= f"{module}.{name}" in _NAMED
    if module.startswith(("torch", "builtins")) and not known and (module, name) != ("builtins", "set"):
        raise Refused(f"it asks for {module}.{name}")
    return Name(module, name)


def _check_zip(path: Path, data: mmap.mmap) -> None:
    """The format since PyTorch 1.6: NAME/data.pkl, and an uncompressed member NAME/data/KEY for every storage."""
    if data[-22:-18] != b"PK\x05\x06":  # the readers of PyTorch and Python must see the same members
        raise Refused("its end is damaged")
    if zip_directory(data) > MOST_DIRECTORY:
        raise Refused("it has too many members")
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: info for info in archive.infolist()}
        if len(members) != len(archive.infolist()):
            raise Refused("two of its members have the same name")
        if any(info.compress_type != zipfile.ZIP_STORED for info in members.values()):
            raise Refused("it is compressed")
        if sum(info.file_size for info in members.values()) > len(data):
            raise Refused("its members are larger than the file")
        pickles = [name for name in members if name.endswith("data.pkl") and name.count("/") == 1]
        if len(pickles) != 1 or members[pickles[0]].file_size > MOST_PICKLE:
            raise Refused("it is not a file of torch.save")
        content = archive.read(pickles[0])
    home = PurePosixPath(pickles[0]).parent

    def storage(claim: object) -> _Storage:
        kind, key, count = storage_claim(claim)
        member = members.get(f"{home}/data/{key}")
        if member is None or member.file_size != count * storage_width(kind):
            raise Refused("it has a tensor whose size differs from its storage")
        return _Storage(count)

    Machine(content, _find, storage, lenient=True).load()


def _check_stream(data: mmap.mmap) -> None:
    """The format before PyTorch 1.6: five pickles, then count and numbers of every storage."""
    claims: dict[str, tuple[int, int]] = {}

    def storage(claim: object) -> _Storage:
        kind, key, count = storage_claim(claim)
        if claims.setdefault(key, (count, storage_width(kind))) != (count, storage_width(kind)):
            raise Refused("it has two tensors with the same name")
        return _Storage(count)

    machine = Machine(data, _find, storage, lenient=True)
    at, parts = 0, []
    for _ in range(5):  # magic number, protocol, system, the content, the keys of all storages
        part, at = machine.load(at)
        parts.append(part)
        if len(parts) == 1 and part != TORCH_MAGIC:
            raise Refused("it is a pickle, but not a file of torch.save")
    if not isinstance(parts[4], list) or set(parts[4]) != claims.keys() or len(parts[4]) != len(claims):
        raise Refused("it lists other tensors than it contains")
    for key in parts[4]:
        count, width = claims[key]
        if int.from_bytes(data[at : at + 8], "little") != count:
            raise Refused("it has a tensor whose size differs from its storage")
        at += 8 + count * width
    if at > len(data):
        raise Refused("it is cut short")
