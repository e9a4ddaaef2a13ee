"""Pickles of strangers: what data files need is read as Python reads it, all else is refused at no cost."""

import collections
import math
import pickle
import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmark_builder.utils import safe_pickle
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.safe_pickle import load

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)


def same(a: Any, b: Any) -> bool:
    """Equal in value, type, shape, memory order and whether it may be written to. OrderedDicts come as dicts."""
    if isinstance(b, dict):
        return type(a) is dict and [*map(repr, a)] == [*map(repr, b)] and all(map(same, a.values(), b.values()))
    if isinstance(b, (list, tuple)):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(b, np.ndarray):
        flags = ("WRITEABLE", "C_CONTIGUOUS", "F_CONTIGUOUS")
        alike = a.dtype == b.dtype and a.shape == b.shape and all(a.flags[f] == b.flags[f] for f in flags)
        return type(a) is np.ndarray and bool(alike) and np.array_equal(a, b, equal_nan=b.dtype.kind == "f")
    return type(a) is type(b) and (a == b or (a != a and b != b))


def numpy_1(data: bytes) -> bytes:
    """The same pickle as numpy 1 would have written it."""
    for name in (b"multiarray", b"numeric"):
        for old, new in ((b"numpy._core.", b"numpy.core."),):
            whole = old + name
            data = data.replace(bytes([len(whole)]) + whole, bytes([len(new + name)]) + new + name)
            data = data.replace(b"c" + whole + b"\n", b"c" + new + name + b"\n")
    return data


ANNOTATION = {
    np.str_("Skijet/v_Skijet_g10_c04"): {
        "numf": np.int64(165),
        "label": 17,
        "annotations": [
            {"label": 17, "sf": 0, "ef": 164, "boxes": np.arange(656, dtype=np.uint16).reshape(164, 4)},
            {"label": 17, "sf": 3, "ef": 3, "boxes": np.zeros((0, 4))},
        ],
    },
    "gttubes": {"A/v": {0: [np.asfortranarray(np.arange(10, dtype=np.float32).reshape(2, 5))]}},
    "resolution": collections.OrderedDict([("A/v", (240, 320)), ("ünïcode ▶", (0, -1))]),
    "big": np.arange(6, dtype=">i2").reshape(2, 3),
    "names": np.array(["ab", "ü"]),
    "raw": [np.array([b"x", b"yz"]), b"\x00\xff", b"", True, False, None, 1e300, -math.inf, 2**63, -(2**63), "", ()],
    "flags": [np.array([[True, False]]), np.array(1.5), np.bool_(True), np.float32(0.5), np.array([1], ">f8")[0]],
    "long": ["text" * 100, list(range(300)), [i / 7 for i in range(50)], "a'b\"c\\d\nä"],
}


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("old", [False, True])
def test_annotations_of_every_protocol_are_read_as_python_reads_them(tmp_path: Path, protocol: int, old: bool) -> None:
    data = pickle.dumps(ANNOTATION, protocol)
    path = tmp_path / "a.pkl"
    path.write_bytes(numpy_1(data) if old else data)
    assert (b"numpy._core" in path.read_bytes()) != old
    assert same(load(path, "annotation"), pickle.loads(data))  # noqa: S301


def test_python_2_wrote_texts_and_arrays_as_byte_strings(tmp_path: Path) -> None:
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\nq\x02(cnumpy\nndarray\nq\x03(I0\ntS'b'\ntRq\x04(I1\n(L2L\ntcnumpy\n"
        b"dtype\n(S'u1'\nI0\nI1\ntR(I3\nS'|'\nNNNI-1\nI-1\nI0\ntbI00\nS'\\x07\\xff'\ntb"
    )
    data = b"(dp0\nS'Class/v_\\xe9'\np1\n" + array + b"sU\x03a\xffbX\x03\x00\x00\x00abcs."
    (tmp_path / "a.pkl").write_bytes(data)
    found = load(tmp_path / "a.pkl", "annotation")
    assert same(found, pickle.loads(data, encoding="latin1"))  # noqa: S301
    assert found["Class/v_é"].tolist() == [7, 255]


def test_the_real_annotation_is_read_as_python_reads_it(clips: Path) -> None:
    path = clips / "annotations" / "ucf101_24_pyannot.pkl"
    with open(path, "rb") as handle:
        assert same(load(path, "annotation"), pickle.load(handle, encoding="latin1"))  # noqa: S301


SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | st.text() | st.binary()
)  # fmt: skip
ARRAYS = hnp.arrays(
    st.sampled_from(["u1", "i2", ">i4", "i8", "f4", ">f8", "?", "U3", "S2"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3),
)
VALUES = st.recursive(
    SCALARS | ARRAYS,
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(0, 9), inner) | st.tuples(inner, inner),
    max_leaves=15,
)


@settings(deadline=None, max_examples=150)
@given(VALUES, st.sampled_from(PROTOCOLS))
def test_any_plain_value_is_read_as_python_reads_it(
    tmp_path_factory: pytest.TempPathFactory, value: Any, protocol: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "value.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    assert same(load(path, "file"), pickle.loads(path.read_bytes()))  # noqa: S301


# --- hostile files

DTYPE = (
    b"cnumpy\ndtype\n(X\x02\x00\x00\x00%s\x89\x88tR(K\x03X\x01\x00\x00\x00<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
)
ANNOUNCED = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tC\x01btR"


def array(shape: bytes, data: bytes, dtype: bytes = DTYPE % b"u1") -> bytes:
    return ANNOUNCED + b"(K\x01(" + shape + b"t" + dtype + b"\x89" + data + b"tb"


def long(number: int) -> bytes:
    return b"\x8a\x09" + number.to_bytes(9, "little", signed=True)


COMPOUND = (
    b"cnumpy\ndtype\n(X\x02\x00\x00\x00V8\x89\x88tR(K\x03X\x01\x00\x00\x00|N(X\x01\x00\x00\x00at}X\x01\x00\x00\x00a("
    + DTYPE % b"O8" + b"K\x00tsK\x08K\x01K\x1btb"
)  # fmt: skip
TEXT = b"X" + struct.pack("<I", 10**6) + b"x" * 10**6
HOSTILE = {
    "strides and offset of its choice": (
        b"cnumpy\nndarray\n((K\x02t" + DTYPE % b"u1" + b"C\x04abcdJ\x00\x00\x00\x7f(J\x00\x00\x00\x7fttR."
    ),
    "an array of objects": array(b"K\x01", b"C\x08\x01\x00\x00\x00\x00\x00\x00\x00", DTYPE % b"O8") + b".",
    "objects in a list": array(b"K\x01", b"(lN", DTYPE % b"O8") + b".",
    "an array of bytes as objects": array(b"K\x01", b"(N(l") + b".",
    "compound types": array(b"K\x01", b"C\x08\x01\x00\x00\x00\x00\x00\x00\x00", COMPOUND) + b".",
    "pointers as a scalar": (
        b"cnumpy.core.multiarray\nscalar\n(" + DTYPE % b"O8" + b"C\x08\x01\x00\x00\x00\x00\x00\x00\x00tR."
    ),
    "a scalar beyond its bytes": b"cnumpy.core.multiarray\nscalar\n(" + DTYPE % b"f8" + b"C\x01atR.",
    "a shape beyond its bytes": array(b"J\x00\x00\x00\x7f", b"C\x01a") + b".",
    "a shape that overflows": array(long(2**32) * 2, b"C\x00") + b".",
    "a negative shape": array(long(-1) * 2, b"C\x01a") + b".",
    "a vast shape of nothing": array(long(2**60) + b"K\x00", b"C\x00") + b".",
    "letters that do not exist": array(b"K\x01", b"C\x04\xff\xff\xff\x7f", DTYPE % b"U1") + b".",
    "another kind of array": b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\ndtype\n(K\x00tC\x01btR.",
    "an array that never comes": b"]" + ANNOUNCED + b"a.",
    "an array within itself": ANNOUNCED + b"q\x00(K\x01(K\x01t" + DTYPE % b"u1" + b"\x89h\x00tb.",
    "a buffer of its choice": (
        b"cnumpy.core.numeric\n_frombuffer\n(K\x01" + DTYPE % b"u1" + b"(K\x01tX\x01\x00\x00\x00CtR."
    ),
    "a memo of 64 GB, then nothing": b"Nr\xff\xff\xff\xff",
    "bytes of 4 EB": b"\x8e" + struct.pack("<Q", 2**62) + b"a.",
    "bytes of more than there is": b"\x8e" + struct.pack("<Q", 2**64 - 1) + b"a.",
    "a bytearray of 4 EB": b"\x96" + struct.pack("<Q", 2**62) + b"a.",
    "a text of 4 EB": b"\x8d" + struct.pack("<Q", 2**62) + b"a.",
    "a text of 4 GB": b"X\xff\xff\xff\xffa.",
    "a string of minus one byte": b"T\xff\xff\xff\xffa.",
    "a number of a million bytes": b"\x8b" + struct.pack("<I", 10**6) + b"\x7f" * 10**6 + b".",
    "a number of a million digits": b"I" + b"9" * 10**6 + b"\n.",
    "a long of a million digits": b"L" + b"9" * 10**6 + b"L\n.",
    "a float of a million digits": b"F" + b"9" * 10**6 + b"\n.",
    "a million marks": b"(" * 10**6 + b".",
    "nested lists": b"]" * 20_000 + b"a" * 19_999 + b".",
    "nested tuples": b")" + b"\x85" * 30_000 + b".",
    "a key that is nested deep": b"})" + b"\x85" * 30_000 + b"Ns.",
    "a key that is a list": b"}]Ns.",
    "a list that holds itself": b"]q\x00h\x00a.",
    "a dict that holds itself": b"}q\x00Nh\x00s.",
    "a tuple that holds itself": b"]q\x00h\x00\x85a.",
    "a list of a list, each named twice": b"](NNe" + b"".join(b"q%c](h%ch%ce" % (k, k, k) for k in range(60)) + b".",
    "an array that is named ten thousand times": (
        array(b"J\x00\x00\x01\x00", b"B\x00\x00\x01\x00" + b"a" * 65536) + b"q\x00](" + b"h\x00" * 10**4 + b"e."
    ),
    "encoding again and again": (
        b"c_codecs\nencode\nq\x00(" + TEXT + b"X\x06\x00\x00\x00latin1tq\x01](" + b"h\x00h\x01R" * 5000 + b"e."
    ),
    "another encoding": b"c_codecs\nencode\n(X\x01\x00\x00\x00aX\x03\x00\x00\x00zipctR.",
    "copies of a dict": (
        b"ccollections\nOrderedDict\nq\x00](" + b"N" * 10**5 + b"eq\x01](" + b"h\x00h\x01\x85R" * 1000 + b"e."
    ),
    "copies of pairs": (
        b"ccollections\nOrderedDict\nq\x00](" + b"NN\x86" * 10**4 + b"e\x85q\x01](" + b"h\x00h\x01R" * 1000
        + b"e."
    ),
    "an array from the same bytes": (
        b"B\x00\x00\x10\x00" + b"a" * 2**20 + b"q\x05](" + array(b"J\x00\x00\x10\x00", b"h\x05") * 1000 + b"e."
    ),
    "a state of a dict": b"}}b.",
    "bytes of a length": b"c__builtin__\nbytes\n(J\x00\x00\x00\x7ftR.",
    "a bytearray of a length": b"cbuiltins\nbytearray\n(J\x00\x00\x00\x7ftR.",
    "a call of a text": b"X\x01\x00\x00\x00a)R.",
    "a call of an array": array(b"K\x01", b"C\x01a") + b")R.",
    "a call of what is only a name": b"cnumpy\nndarray\n)R.",
    "code": b"cos\nsystem\n(X\x04\x00\x00\x00truetR.",
    "code as an attribute": b"\x80\x04\x8c\x05numpy\x8c\x0edtype.__init__\x93)R.",
    "an instance": b"(cos\nsystem\no.",
    "a class of Python 2": b"(ios\nsystem\n.",
    "a new object": b"ccollections\nOrderedDict\n)\x81.",
    "a persistent id": b"Pabc\n.",
    "a persistent object": b"X\x01\x00\x00\x00aQ.",
    "an extension": b"\x82\x01.",
    "a buffer outside": b"\x97.",
    "a set": b"\x8f.",
    "protocol 9": b"\x80\x09N.",
    "an empty stack": b".",
    "an unknown opcode": b"\xff.",
    "nothing": b"",
    "a frame that ends nowhere": b"\x95" + b"\xff" * 8,
    "a tensor of no storage": b"ctorch._utils\n_rebuild_tensor_v2\n(NK\x00))tR.",
    "a storage of code": b"ctorch.storage\n_load_from_bytes\n(C\x08cos\nexit\ntR.",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_pickles_are_refused_in_one_line_without_memory(name: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(HOSTILE[name])
    tracemalloc.start()
    try:
        with pytest.raises(BenchError) as caught:
            load(path, "annotation")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and len(message) < len(str(path)) + 200
    assert peak < 64 * len(HOSTILE[name]) + 2**20


@settings(deadline=None, max_examples=400)
@given(st.data())
def test_a_damaged_pickle_gives_a_value_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(pickle.dumps(ANNOTATION["gttubes"], data.draw(st.sampled_from(PROTOCOLS))))
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged.pkl"
    path.write_bytes(whole[: data.draw(st.integers(1, len(whole)))])
    try:
        load(path, "annotation")
    except BenchError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)


def test_a_refused_name_stays_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "odd.pkl"
    path.write_bytes(b"\x80\x04\x8c\x05o\n\x1b[m\x8c\x06system\x93.")
    with pytest.raises(BenchError, match=r"asks for o\\n\\x1b\[m\.system") as found:
        load(path, "annotation")
    assert "\n" not in str(found.value)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(safe_pickle, "MOST_BYTES", 100)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps([0] * 200))
    with pytest.raises(BenchError, match="larger than 100 bytes"):
        load(tmp_path / "a.pkl", "annotation")


@pytest.mark.parametrize(("limit", "says"), [("MOST_STEPS", "opcodes"), ("MOST_CONTAINERS", "containers")])
def test_opcodes_and_containers_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, says: str
) -> None:
    path = tmp_path / "a.pkl"
    path.write_bytes(b"](" + b"]" * 20_000 + b"e.")
    assert len(load(path, "annotation")) == 20_000
    monkeypatch.setattr(safe_pickle, limit, 10_000)
    with pytest.raises(BenchError, match=says):
        load(path, "annotation")
