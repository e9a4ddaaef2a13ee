"""Reads pickles from others safely. They may contain numpy arrays, PyTorch tensors and plain containers only.

Python's own unpickler calls any function that the file names, and trusts its sizes. This module interprets the opcodes
itself: a name in the file can only select one of a few functions below, which check their arguments. A file cannot run
code, cannot make numpy or torch use unchecked pointers, shapes or strides, and cannot use much more memory than its own
size.
"""

import codecs
import itertools
import math
import mmap
import re
import struct
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from types import FunctionType
from typing import Any, Literal

import numpy as np

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import shown

MOST_BYTES = 2**30  # largest file; the scores of 30,000 videos in 700 classes are 170 MB as float64
MOST_STEPS = 60_000_000  # opcodes; the annotations of UCF101-24 need 300,000
MOST_CONTAINERS = 5_000_000  # lists, tuples, dicts and arrays
DEEPEST = 64  # containers within containers
# Largest size of a value in relation to the file's size, if an object counts once per reference to it. A list that
# contains another list twice, which again contains a list twice, and so on, is small in the file, but huge for a
# program that visits every element.
MOST_GROWTH, SLACK = 16, 2**20

_Function = Callable[..., object]


class Refused(ValueError):
    """The file contains something that a data file does not need; the message says what, on one line.

    Args:
        reason: may name what is in the file: its control characters become visible, and it is cut after 200 characters.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(shown(reason)[:200])


class _Array:
    """An array whose content comes later in the file; ``keys``: its places in the memo."""

    def __init__(self) -> None:
        self.keys: list[int] = []


class _Dtype(_Array):
    """A type of numbers whose byte order comes later in the file."""

    def __init__(self, spec: str) -> None:
        super().__init__()
        self.dtype = _dtype_of(spec)


class Name:
    """A global name in the file that may only be used as an argument, such as ``numpy.ndarray``."""

    def __init__(self, module: str, name: str) -> None:
        self.module, self.name = module, name


class Anything:
    """Stands for the result of a call that was not made; it may be called too."""


class Machine:
    """Interprets the opcodes of pickles in one block of bytes.

    Args:
        data: the bytes.
        find: returns the function or :class:`Name` for a global name, or raises :class:`Refused`.
        persistent: returns the value for a persistent id; None: persistent ids are refused.
        lenient: unknown names give :class:`Anything` and are not refused; sets are accepted (as lists).
    """

    def __init__(
        self,
        data: bytes | mmap.mmap,
        find: Callable[[str, str], object],
        persistent: _Function | None = None,
        lenient: bool = False,
    ) -> None:
        self.data, self.find, self.persistent, self.lenient = data, find, persistent, lenient
        self.steps = self.containers = 0
        self.copied = 0  # bytes of arrays and encoded texts

    def grow(self, size: int) -> None:
        """Count the bytes that are copied from the file; a plain file needs each of them once."""
        self.copied += size
        if self.copied > 2 * len(self.data) + SLACK:
            raise Refused("it unpacks the same bytes again and again")

    def load(self, at: int = 0) -> tuple[object, int]:
        """The value of the pickle that begins at byte ``at``, and the position after its end.

        Raises:
            Refused: it contains something other than data, is nested too deep, contains itself, or is too large.
            Exception: of any kind, where it is damaged.
        """
        data, find = self.data, self.find
        size = len(data)
        stack: list[Any] = []
        marks: list[list[Any]] = []
        memo: dict[int, Any] = {}
        pos, steps, containers = at, 0, 0
        while True:
            steps += 1
            if steps & 0xFFF == 0:
                self._count(0xFFF, containers)
                containers = 0
            op = data[pos]
            pos += 1
            if op == 0x68:  # BINGET
                stack.append(memo[data[pos]])
                pos += 1
            elif op == 0x72:  # LONG_BINPUT
                memo[_U4(data, pos)[0]] = value = stack[-1]
                if type(value) in _UNFINISHED:
                    value.keys.append(_U4(data, pos)[0])
                pos += 4
            elif op == 0x4B:  # BININT1
                stack.append(data[pos])
                pos += 1
            elif op in _PUTS:  # BINPUT, MEMOIZE, PUT
                if op == 0x71:
                    key = data[pos]
                    pos += 1
                elif op == 0x94:
                    key = len(memo)
                else:
                    text, pos = _line(data, pos, 20)
                    key = int(text)
                memo[key] = value = stack[-1]
                if type(value) in _UNFINISHED:
                    value.keys.append(key)
            elif op == 0x28:  # MARK
                if len(marks) > DEEPEST:
                    raise Refused(f"it is nested more than {DEEPEST} deep")
                containers += 1
                marks.append(stack)
                stack = []
            elif op == 0x47:  # BINFLOAT, usually many in a row
                run = _FLOATS.match(data, pos - 1)
                if run is None:
                    stack.append(_F8(data, pos)[0])
                    pos += 8
                else:
                    found = np.frombuffer(run.group(), _FLOAT)["value"].tolist()
                    self._count(len(found), 0)
                    stack += found
                    pos = run.end()
            elif op == 0x52:  # REDUCE
                containers += 1
                given, function = stack.pop(), stack.pop()
                stack.append(self._call(function, given))
            elif op == 0x62:  # BUILD
                state, made = stack.pop(), stack.pop()
                stack.append(built := self._build(made, state))
                if built is not made:
                    for key in made.keys:
                        if memo.get(key) is made:
                            memo[key] = built
            elif op in _TUPLES:  # TUPLE1, TUPLE2, TUPLE3
                containers += 1
                count = op - 0x84
                if len(stack) < count:
                    raise Refused("it is damaged")
                stack[-count:] = [tuple(stack[-count:])]
            elif op == 0x4E:  # NONE
                stack.append(None)
            elif op == 0x74:  # TUPLE
                items, stack = stack, marks.pop()
                stack.append(tuple(items))
            elif op == 0x7D:  # EMPTY_DICT
                containers += 1
                stack.append({})
            elif op == 0x75:  # SETITEMS
                items, stack = stack, marks.pop()
                _fill(stack[-1], items)
            elif op in _SIZED:  # bytes and texts, preceded by their length
                width, decode = _SIZED[op]
                end = pos + width
                pos, end = end, end + int.from_bytes(data[pos:end], "little")
                if end > size:
                    raise Refused("it is cut short")
                part = data[pos:end]
                stack.append(part if decode is None else str(part, *decode))
                pos = end
            elif op == 0x88:  # NEWTRUE
                stack.append(True)
            elif op == 0x89:  # NEWFALSE
                stack.append(False)
            elif op == 0x6A:  # LONG_BINGET
                stack.append(memo[_U4(data, pos)[0]])
                pos += 4
            elif op == 0x5D:  # EMPTY_LIST
                containers += 1
                stack.append([])
            elif op == 0x65 or op == 0x90:  # APPENDS, ADDITEMS
                items, stack = stack, marks.pop()
                _list(stack[-1]).extend(items)
            elif op == 0x61:  # APPEND
                value = stack.pop()
                _list(stack[-1]).append(value)
            elif op == 0x73:  # SETITEM
                value, key = stack.pop(), stack.pop()
                _fill(stack[-1], [key, value])
            elif op == 0x4D:  # BININT2
                stack.append(_U2(data, pos)[0])
                pos += 2
            elif op == 0x4A:  # BININT
                stack.append(_I4(data, pos)[0])
                pos += 4
            elif op == 0x8A or op == 0x8B:  # LONG1, LONG4
                end = pos + (1 if op == 0x8A else 4)
                pos, end = end, end + int.from_bytes(data[pos:end], "little")
                if end - pos > 10:  # enough for 64 bits with a sign, and for PyTorch's magic number
                    raise Refused("it holds a number of more than 64 bits")
                if end > size:
                    raise Refused("it is cut short")
                stack.append(int.from_bytes(data[pos:end], "little", signed=True))
                pos = end
            elif op == 0x29:  # EMPTY_TUPLE
                stack.append(())
            elif op == 0x63:  # GLOBAL
                module, pos = _line(data, pos, 256)
                text, pos = _line(data, pos, 256)
                stack.append(find(str(module, "utf-8"), str(text, "utf-8")))
            elif op == 0x93:  # STACK_GLOBAL
                text, module = stack.pop(), stack.pop()
                if type(text) is not str or type(module) is not str:
                    raise Refused("it is damaged")
                stack.append(find(module, text))
            elif op == 0x95:  # FRAME: how many bytes a reader may read at once
                pos += 8
            elif op == 0x80:  # PROTO
                if data[pos] > 5:
                    raise Refused(f"it is of protocol {data[pos]}")
                pos += 1
            elif op == 0x2E:  # STOP
                break
            elif op == 0x30 and stack:  # POP
                stack.pop()
            elif op == 0x30 or op == 0x31:  # POP of a mark, POP_MARK
                stack = marks.pop()
            elif op == 0x32:  # DUP
                stack.append(stack[-1])
            elif op == 0x49 or op == 0x4C:  # INT, LONG: as text
                text, pos = _line(data, pos, 24)
                stack.append(_TRUTH[text] if text in _TRUTH else int(text.rstrip(b"L"), 0))
            elif op == 0x46:  # FLOAT: as text
                text, pos = _line(data, pos, 64)
                stack.append(float(text))
            elif op == 0x53:  # STRING: as text, of Python 2
                text, pos = _line(data, pos, size)
                if len(text) < 2 or text[:1] != text[-1:] or text[:1] not in (b"'", b'"'):
                    raise Refused("a text in it has no quotes")
                stack.append(str(codecs.escape_decode(text[1:-1])[0], "latin-1"))
            elif op == 0x56:  # UNICODE: as text
                text, pos = _line(data, pos, size)
                stack.append(str(text, "raw-unicode-escape"))
            elif op == 0x6C:  # LIST
                items, stack = stack, marks.pop()
                stack.append(items)
            elif op == 0x64:  # DICT
                items, stack = stack, marks.pop()
                stack.append({})
                _fill(stack[-1], items)
            elif op == 0x67:  # GET
                text, pos = _line(data, pos, 20)
                stack.append(memo[int(text)])
            elif op == 0x51 and self.persistent is not None:  # BINPERSID
                stack.append(self.persistent(stack.pop()))
            elif op == 0x50 or op == 0x51:  # PERSID, BINPERSID
                raise Refused("it asks for a persistent object")
            elif op == 0x8F and self.lenient:  # EMPTY_SET
                containers += 1
                stack.append([])
            elif op == 0x91 and self.lenient:  # FROZENSET
                items, stack = stack, marks.pop()
                stack.append(items)
            elif op == 0x81 and self.lenient:  # NEWOBJ
                stack.append(self._call(*reversed((stack.pop(), stack.pop()))))
            else:
                raise Refused(f"it has opcode 0x{op:02x}, which data does not need")
        self._count(steps & 0xFFF, containers)
        value = stack.pop()
        _check_extent(value, MOST_GROWTH * size + SLACK)
        return value, pos

    def _count(self, steps: int, containers: int) -> None:
        self.steps += steps
        self.containers += containers
        if self.steps > MOST_STEPS:
            raise Refused(f"it has more than {MOST_STEPS} opcodes")
        if self.containers > MOST_CONTAINERS:
            raise Refused(f"it holds more than {MOST_CONTAINERS} containers")

    def _call(self, function: object, given: object) -> object:
        if type(given) is not tuple:
            raise Refused("it is damaged")
        if self.lenient and isinstance(function, Anything | Name):
            return Anything()
        if isinstance(function, Name):
            raise Refused(f"it calls {function.module}.{function.name}")
        if not isinstance(function, FunctionType):
            raise Refused("it calls what is no function")
        return function(self, *given)

    def _build(self, made: object, state: object) -> object:
        if isinstance(made, _Dtype):
            return _built_dtype(made, state)
        if isinstance(made, _Array):
            return _built_array(self, state)
        if not self.lenient:
            raise Refused("it sets the state of what is no array")
        return made


_U2, _U4, _U8, _I4, _F8 = (struct.Struct(f).unpack_from for f in ("<H", "<I", "<Q", "<i", ">d"))
_FLOATS = re.compile(rb"(?:G.{8}){8,4096}+", re.DOTALL)
_FLOAT = np.dtype([("op", "u1"), ("value", ">f8")])
_UTF8, _LATIN1 = ("utf-8", "surrogatepass"), ("latin-1",)
# Opcodes of bytes and texts -> (number of bytes of the length field, how to decode the content).
_SIZED: dict[int, tuple[int, tuple[str, ...] | None]] = {
    0x43: (1, None), 0x42: (4, None), 0x8E: (8, None), 0x96: (8, None),  # bytes, and a bytearray
    0x8C: (1, _UTF8), 0x58: (4, _UTF8), 0x8D: (8, _UTF8),
    0x55: (1, _LATIN1), 0x54: (4, _LATIN1),  # texts of Python 2
}  # fmt: skip
_PUTS = frozenset((0x71, 0x94, 0x70))
_TUPLES = frozenset((0x85, 0x86, 0x87))
_TRUTH = {b"00": False, b"01": True}
_UNFINISHED = frozenset((_Array, _Dtype))
_SCALARS = frozenset((str, int, float, bool, bytes, type(None)))


def _line(data: bytes | mmap.mmap, pos: int, most: int) -> tuple[bytes, int]:
    """The line that begins at ``pos``, without its newline, and the position of the next line."""
    end = data.find(b"\n", pos, pos + most + 1)
    if end < 0:
        raise Refused("a line in it is cut short or too long")
    return data[pos:end], end + 1


def _fill(target: object, items: list[object]) -> None:
    """Set the items of a dictionary, given as key, value, key, value …; items of an :class:`Anything` are dropped."""
    if (type(target) is not dict and type(target) is not Anything) or len(items) % 2:
        raise Refused("it is damaged")
    made = target if type(target) is dict else {}
    pairs = iter(items)
    for key, value in zip(pairs, pairs, strict=True):
        made[key if type(key) is str else _key(key)] = value


def _key(value: object) -> object:
    """Check a dictionary's key: text, a number, or a short tuple of them. Hashing deeply nested keys crashes Python."""
    if type(value) in _SCALARS or isinstance(value, (np.str_, np.bytes_, np.number, np.bool_)):
        return value
    if type(value) is tuple and len(value) <= 8 and all(type(v) in _SCALARS for v in value):
        return value
    raise Refused(f"a dictionary in it has a {type(value).__name__} as key")


def _list(value: object) -> list[object]:
    if type(value) is Anything:
        return []
    if type(value) is not list:
        raise Refused("it is damaged")
    return value


def _check_extent(value: object, most: int) -> None:
    """Refuse a value that is nested too deep, contains itself, or is too large if every reference is followed.

    An element of a container counts 8 bytes, an array its bytes, once per reference.
    """
    done: dict[int, tuple[int, int]] = {}  # id of a container -> (its bytes, its depth)

    def walk(item: Any, depth: int) -> tuple[int, int]:
        kind = type(item)
        if kind is not dict and kind is not list and kind is not tuple:
            if kind in _UNFINISHED:
                raise Refused("it announces an array that never comes")
            return getattr(item, "nbytes", 8), 0
        size, deep = 8 * len(item), 0
        for inner in item.values() if kind is dict else item:
            if type(inner) not in _SCALARS:
                known = done.get(id(inner))
                if known is None:
                    if depth + deep > DEEPEST:
                        raise Refused(f"it is nested more than {DEEPEST} deep, or holds itself")
                    known = walk(inner, depth + 1)
                size += known[0]
                deep = max(deep, known[1])
        done[id(item)] = size, deep + 1
        if depth + deep > DEEPEST:
            raise Refused(f"it is nested more than {DEEPEST} deep")
        if size > most:
            raise Refused("it refers to the same data so often that it is vast")
        return size, deep + 1

    walk(value, 0)


# --- numpy

_SPEC = re.compile(r"b1|[iu][1248]|f[248]|[?bBhHiIlLqQefd]|[SU][0-9]{1,6}")


@lru_cache(1000)
def _dtype_of(spec: object) -> np.dtype:
    """A numpy type of plain numbers, or of texts of a fixed length."""
    if type(spec) is bytes:
        spec = str(spec, "ascii")
    if type(spec) is not str or not _SPEC.fullmatch(spec):
        raise Refused(f"it asks for arrays of type {str(spec)[:40]!r}")
    return np.dtype(spec)


def _dtype(machine: Machine, spec: str, align: object = False, copy: object = True) -> _Dtype:
    return _Dtype(spec)


def _built_dtype(made: _Dtype, state: object) -> np.dtype:
    """The type with the byte order in its state; other entries of the state must have their defaults."""
    if type(state) is not tuple or not 5 <= len(state) <= 9 or any(part is not None for part in state[2:5]):
        raise Refused("it asks for arrays of compound types")
    order = str(state[1], "latin-1") if type(state[1]) is bytes else state[1]
    if order not in ("<", ">", "|", "="):
        raise Refused("it asks for arrays of an unknown byte order")
    if made.dtype.kind in "SU" and len(state) > 5 and state[5] != made.dtype.itemsize:
        raise Refused("it asks for arrays of an impossible type")
    return made.dtype.newbyteorder(order)  # type: ignore[arg-type]


def _plain_dtype(value: object) -> np.dtype:
    if isinstance(value, _Dtype):
        return value.dtype
    if not isinstance(value, np.dtype):
        raise Refused("it has an array of no type")
    return value


def _bytes(value: object) -> bytes:
    """The bytes of an array; in pickles of Python 2 they are text."""
    data = value.encode("latin-1") if type(value) is str else value
    if type(data) is not bytes:
        raise Refused("it has an array of objects")
    return data


def _array(machine: Machine, data: bytes, dtype: np.dtype, shape: object, order: Literal["C", "F"]) -> np.ndarray:
    """A new array from exactly these bytes."""
    if type(shape) is not tuple:
        shape = tuple(shape) if type(shape) is list else (shape,)
    most, count = max(len(data), 2**16), dtype.itemsize
    for side in shape:
        if type(side) is not int or not 0 <= side <= most:
            raise Refused("it has an array of an impossible shape")
        count *= side
    if count != len(data) or not dtype.itemsize or len(shape) > 8:
        raise Refused(f"it has {len(data)} bytes for an array of shape {shape[:9]}")
    machine.grow(count)
    if dtype.kind == "U" and (np.frombuffer(data, dtype.str[0] + "u4") > 0x10FFFF).any():
        raise Refused("it has letters that do not exist")
    if dtype.kind == "b":  # bytes other than 0 and 1 are not valid booleans
        return (np.frombuffer(data, np.uint8) != 0).reshape(shape, order=order)
    return np.ndarray(shape, dtype, data, order=order).copy("K")


def _reconstruct(machine: Machine, kind: object, shape: object, code: object) -> _Array:
    if not (isinstance(kind, Name) and kind.name == "ndarray"):
        raise Refused("it asks for a special kind of array")
    return _Array()


def _built_array(machine: Machine, state: object) -> np.ndarray:
    if type(state) is not tuple or len(state) not in (4, 5):
        raise Refused("it has an array without content")
    shape, dtype, fortran, data = state[-4:]
    dtype = _plain_dtype(dtype)
    array = _array(machine, _bytes(data), dtype, shape, "F" if fortran else "C")
    return array if dtype.isnative else array.astype(dtype.newbyteorder("="))


def _scalar(machine: Machine, dtype: object, data: object = b"") -> object:
    dtype = _plain_dtype(dtype)
    if dtype.kind in "SU" and not dtype.itemsize:
        return dtype.type()
    return _array(machine, _bytes(data), dtype, (1,), "C")[0]


def _frombuffer(
    machine: Machine, data: object, dtype: object, shape: object, order: object, axes: Any = None
) -> np.ndarray:
    if order not in ("C", "F", "K"):
        raise Refused("it has an array of an unknown order")
    array = _array(machine, _bytes(data), _plain_dtype(dtype), shape, "F" if order == "F" else "C")
    if order == "K" and axes is not None:
        if type(axes) not in (tuple, list) or sorted(_int(a) for a in axes) != list(range(array.ndim)):
            raise Refused("it has an array of an unknown order")
        return array.transpose(axes)
    return array


def _int(value: object) -> int:
    if type(value) is not int:
        raise Refused("it has something else where a number must be")
    return value


# --- Python

_LATIN = ("latin1", "latin-1", "iso-8859-1")


def encode(machine: Machine, text: object, encoding: object = "latin1") -> bytes:
    """Bytes that Python 3 has written as text, in a file for Python 2."""
    if type(text) is not str or encoding not in _LATIN:
        raise Refused("it asks for another encoding than Latin-1")
    machine.grow(len(text))
    return text.encode("latin-1")


def _empty_bytes(machine: Machine) -> bytes:
    return b""


def ordered(machine: Machine, items: Any = ()) -> dict[object, object]:
    """An OrderedDict, as a dict; in pickles of Python 2 the items are a list of pairs."""
    if type(items) not in (list, tuple):
        raise Refused("it makes an OrderedDict of what is no list")
    machine.grow(16 * len(items))
    found = {}
    for pair in items:
        if type(pair) not in (list, tuple) or len(pair) != 2:
            raise Refused("it makes an OrderedDict of what is no list of pairs")
        found[_key(pair[0])] = pair[1]
    return found


# --- torch

# Type of a storage -> numpy's type, or the number of bytes per number if numpy has no such type.
STORAGES: dict[str, str | int] = {
    "FloatStorage": "f4", "DoubleStorage": "f8", "HalfStorage": "f2", "BFloat16Storage": 2, "LongStorage": "i8",
    "IntStorage": "i4", "ShortStorage": "i2", "CharStorage": "i1", "ByteStorage": "u1", "BoolStorage": "b1",
    "UntypedStorage": "u1", "ComplexFloatStorage": 8, "ComplexDoubleStorage": 16, "QInt8Storage": 1,
    "QUInt8Storage": 1, "QInt32Storage": 4, "QUInt4x2Storage": 1, "QUInt2x4Storage": 1,
}  # fmt: skip
TORCH_MAGIC = 0x1950A86A20F9469CFC6C


def storage_width(name: str) -> int:
    """Number of bytes of each number in a storage."""
    spec = STORAGES[name]
    return spec if isinstance(spec, int) else int(spec[1])


def storage_claim(claim: object) -> tuple[str, str, int]:
    """The parts of a persistent id: the storage's type, its key, and how many numbers it has."""
    if type(claim) is not tuple or len(claim) < 5 or claim[0] != "storage" or any(claim[5:]):
        raise Refused("it has a tensor of an unknown kind")
    kind, key, count = claim[1], claim[2], _int(claim[4])
    if not isinstance(kind, Name) or kind.name not in STORAGES or type(key) is not str or count < 0:
        raise Refused("it has a tensor of an unknown kind")
    return kind.name, key, count


def _storage(machine: Machine, data: object) -> np.ndarray:
    """The numbers of one tensor's storage (1D), from the bytes that ``torch.save`` wrote into the pickle."""
    block = _bytes(data)
    claims: list[tuple[str, str, int]] = []

    def persistent(claim: object) -> Anything:
        claims.append(storage_claim(claim))
        return Anything()

    def find(module: str, name: str) -> Name:
        if module not in ("torch", "torch.storage") or name not in STORAGES:
            raise Refused(f"it asks for {module}.{name}")
        return Name(module, name)

    inner = Machine(block, find, persistent)
    inner.steps, inner.containers = machine.steps, machine.containers
    at, parts = 0, []
    for _ in range(5):  # pickles: magic number, protocol, system, the storage, the keys of all storages
        part, at = inner.load(at)
        parts.append(part)
    machine.steps, machine.containers = inner.steps, inner.containers
    if parts[0] != TORCH_MAGIC or len(claims) != 1 or type(parts[2]) is not dict or parts[4] != [claims[0][1]]:
        raise Refused("it has a tensor of an unknown kind")
    kind, _, count = claims[0]
    size = count * storage_width(kind)
    if _U8(block, at)[0] != count or len(block) - at - 8 != size:
        raise Refused("it has a tensor that is cut short")
    machine.grow(size)
    order, spec = "<" if parts[2].get("little_endian", True) else ">", STORAGES[kind]
    if kind == "BFloat16Storage":
        return (np.frombuffer(block, f"{order}u2", offset=at + 8).astype(np.uint32) << 16).view(np.float32)
    if isinstance(spec, int):
        raise Refused(f"it has numbers of a {kind}")
    if spec == "b1":
        return np.frombuffer(block, np.uint8, offset=at + 8) != 0
    values = np.frombuffer(block, order + spec, offset=at + 8)
    return values.astype(values.dtype.newbyteorder("="))


def _tensor(
    machine: Machine, storage: object, offset: object, size: object, stride: object, *rest: object
) -> np.ndarray:
    """A tensor as an array; hooks and the gradient flag are ignored."""
    if not isinstance(storage, np.ndarray) or type(size) is not tuple or type(stride) is not tuple:
        raise Refused("it has a tensor of an unknown kind")
    check_view(storage.size, offset, size, stride)
    machine.grow(math.prod(size) * storage.itemsize)
    steps = [step * storage.itemsize for step in stride]
    return np.lib.stride_tricks.as_strided(storage[offset:], size, steps, writeable=False).copy()


def check_view(count: int, offset: Any, size: Sequence[Any], stride: Sequence[Any]) -> None:
    """Refuse a tensor that extends beyond the ``count`` numbers of its storage, or repeats them too often."""
    if len(size) != len(stride) or len(size) > 8:
        raise Refused("it has a tensor of an impossible shape")
    numbers = [_int(n) for n in itertools.chain([offset], size, stride)]
    last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if min(numbers) < 0 or offset > count or max(size, default=0) > max(count, 2**16):
        raise Refused("it has a tensor larger than its storage")
    if math.prod(size) > max(count, 2**16):  # broadcast tensors may repeat numbers, up to this size
        raise Refused("it has a tensor larger than its storage")
    if 0 not in size and last >= count:
        raise Refused("it has a tensor that reaches beyond its storage")


_FOUND: dict[tuple[str, str], object] = {
    ("numpy", "ndarray"): Name("numpy", "ndarray"),
    ("numpy", "dtype"): _dtype,
    ("_codecs", "encode"): encode,
    ("collections", "OrderedDict"): ordered,
    ("builtins", "bytes"): _empty_bytes,
    ("__builtin__", "bytes"): _empty_bytes,
    ("torch.storage", "_load_from_bytes"): _storage,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
}
for _core in ("numpy.core", "numpy._core"):  # numpy 1 and 2
    _FOUND[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _FOUND[f"{_core}.multiarray", "scalar"] = _scalar
    _FOUND[f"{_core}.numeric", "_frombuffer"] = _frombuffer


def _find(module: str, name: str) -> object:
    if (module, name) not in _FOUND:
        raise Refused(f"it asks for {module}.{name}")
    return _FOUND[module, name]


def load(path: Path, what: str, fix: str = "get the file from its publisher") -> Any:
    """Unpickle a file of plain containers, numbers, texts, numpy arrays and PyTorch tensors (as arrays).

    Text of Python 2 is read as Latin-1. OrderedDicts become dicts.

    Args:
        path: the file.
        what: name of the expected content, for messages.
        fix: what the user can do if the file is refused, for messages.

    Raises:
        BenchError: the file is missing, too large, not a pickle, contains anything else, is nested more than
            :data:`DEEPEST` deep, or would use much more memory than its size.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BenchError(f"{path}: larger than {MOST_BYTES} bytes, no {what}; {fix}")
        value, _ = Machine(path.read_bytes(), _find).load()
    except FileNotFoundError:
        raise BenchError(f"{path}: no such file; give the {what}") from None
    except IsADirectoryError:
        raise BenchError(f"{path}: is a folder; give the {what} itself") from None
    except OSError as error:
        raise BenchError(f"{path}: cannot be read ({error.strerror or error}); {fix}") from None
    except Refused as error:
        raise BenchError(f"{path}: refused, not a plain {what} ({error}); {fix}") from None
    except BenchError:
        raise
    except Exception as error:  # a damaged pickle can raise anything: IndexError, struct.error, UnicodeDecodeError, …
        raise BenchError(f"{path}: not a readable {what} ({type(error).__name__}); {fix}") from None
    return value
