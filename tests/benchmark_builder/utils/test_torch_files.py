"""Files of torch.save from strangers: what could end the process or take memory is refused before PyTorch opens it."""

import argparse
import collections
import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from albar.models.weights import read_torch_file
from benchmark_builder.masks.networks.weights import read_weights
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.safe_pickle import Refused, load
from benchmark_builder.utils.torch_files import check_torch_file

BOTH = pytest.mark.parametrize("new", [True, False], ids=["zip", "stream"])


def saved(path: Path, value: Any, new: bool = True) -> Path:
    torch.save(value, path, _use_new_zipfile_serialization=new)
    return path


def network() -> nn.Module:
    torch.manual_seed(0)
    made = nn.Sequential(nn.Conv3d(3, 4, 3), nn.BatchNorm3d(4), nn.Linear(4, 2))
    made[2].weight.no_decay = True  # type: ignore[union-attr]
    return made


@BOTH
def test_what_training_codes_save_is_let_through(tmp_path: Path, new: bool) -> None:
    made = network()
    optimiser = torch.optim.AdamW(made.parameters())
    made[2](torch.ones(1, 4)).sum().backward()  # type: ignore[operator]
    optimiser.step()
    wide = torch.arange(12.0).reshape(3, 4)
    value = {
        "model": made.state_dict(),
        "parameters": dict(made.named_parameters()),
        "optimizer": optimiser.state_dict(),
        "views": [wide.t(), wide[1:, ::2], wide[:, :0], torch.tensor(3), torch.ones(1).expand(8, 3)],
        "kinds": [wide.to(d) for d in (torch.bfloat16, torch.float16, torch.int8, torch.bool, torch.complex64)],
        "shape": wide.shape,
        "dtype": torch.float16,
        "counter": collections.OrderedDict(a=1),
    }  # fmt: skip
    path = saved(tmp_path / "a.pth", value, new)
    assert torch.equal(read_torch_file(path, "file", "x")["views"][1], wide[1:, ::2])
    only = saved(tmp_path / "b.pth", made.state_dict(), new)
    assert {k: v.shape for k, v in read_weights(only, "x").items()} == {
        k: v.shape for k, v in made.state_dict().items()
    }


@BOTH
def test_settings_beside_the_weights_are_for_pytorch_to_judge(tmp_path: Path, new: bool) -> None:
    value = {"args": argparse.Namespace(lr=1.0), "best": np.float64(3), "model": network().state_dict(), "s": {1, 2}}
    check_torch_file(saved(tmp_path / "a.pth", value, new))


def rewritten(path: Path, change: Callable[[str, bytes], bytes], packed: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", packed) as archive:
        for name, data in members.items():
            archive.writestr(name, change(name, data))
    return path


def content(body: bytes) -> Callable[[str, bytes], bytes]:
    """The member data.pkl replaced."""
    return lambda name, data: body if name.endswith("data.pkl") else data


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"
VAST = b"\x8a\x08" + struct.pack("<q", 2**60)


def tensor(offset: bytes, size: bytes, stride: bytes, storage: bytes = STORAGE) -> bytes:
    return REBUILD + b"(" + storage + offset + b"(" + size + b"t(" + stride + b"t\x89}tR"


HOSTILE = {
    "a vast tensor": tensor(b"K\x00", VAST, b"K\x01"),
    "a vast tensor of one number": tensor(b"K\x00", VAST, b"K\x00"),
    "a tensor beyond its storage": tensor(b"K\x01", b"K\x04", b"K\x01"),
    "an offset beyond its storage": tensor(VAST, b"K\x00", b"K\x01"),
    "a stride beyond its storage": tensor(b"K\x00", b"K\x02", VAST),
    "a stride before its storage": tensor(b"K\x03", b"K\x02", b"J\xff\xff\xff\xff"),
    "a storage that claims more": tensor(b"K\x00", b"K\x04", b"K\x01", STORAGE.replace(b"K\x04", VAST)),
    "a storage of another kind": tensor(b"K\x00", b"K\x01", b"K\x01", STORAGE.replace(b"Float", b"Double")),
    "a storage that is not there": tensor(b"K\x00", b"K\x01", b"K\x01", STORAGE.replace(b"\x000", b"\x001")),
    "a tensor by its size": b"ctorch\nFloatTensor\n(" + VAST + b"tR",
    "an empty tensor by its size": b"ctorch\nTensor\n(" + VAST + b"tR",
    "a sparse tensor": b"ctorch._utils\n_rebuild_sparse_tensor\n(NtR",
    "a typed call of another function": b"ctorch._tensor\n_rebuild_from_type_v2\n(cbuiltins\nset\nN)NtR",
    "a bytearray": b"cbuiltins\nbytearray\n(J\x00\x00\x00\x7ftR",
    "code": b"cbuiltins\neval\n(X\x01\x00\x00\x001tR",
    "a key that is nested deep": b"})" + b"\x85" * 30_000 + b"Ns",
    "a key of what is not known that is nested deep": b"cmy.config\nDict\n)R)" + b"\x85" * 30_000 + b"Ns",
    "nested lists": b"]" * 10**4 + b"a" * (10**4 - 1),
    "a list of a list, each named twice": b"](NNe" + b"".join(b"q%c](h%ch%ce" % (k, k, k) for k in range(60)),
    "encoding again and again": (
        b"c_codecs\nencode\nq\x00(X\x00\x00\x10\x00" + b"x" * 2**20 + b"X\x06\x00\x00\x00latin1tq\x01]("
        + b"h\x00h\x01R" * 100 + b"e"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_checkpoints_are_refused(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"a": torch.ones(4)})
    rewritten(path, content(b"\x80\x02" + tensor(b"K\x00", b"K\x04", b"K\x01") + b"."))
    check_torch_file(path)  # the harmless form
    rewritten(path, content(b"\x80\x02" + HOSTILE[name] + b"."))
    with pytest.raises(Refused):
        check_torch_file(path)
    for read in (lambda: read_torch_file(path, "checkpoint", "train again"), lambda: read_weights(path, "x")):
        with pytest.raises(BenchError, match=r"a\.pth") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_refused_name_stays_on_one_line(tmp_path: Path) -> None:
    whole = saved(tmp_path / "whole.pt", {"a": torch.zeros(1)})
    odd = rewritten(whole, content(b"\x80\x02ctorch\x1b[m\x0bx\nos\n."))
    with pytest.raises(Refused) as refused:
        check_torch_file(odd)
    with pytest.raises(BenchError) as found:
        read_torch_file(odd, "checkpoint", "get it again")
    for message in (str(refused.value), str(found.value)):
        assert "asks for torch\\x1b[m\\x0bx.os" in message and message.isprintable()


def test_hostile_zips_are_refused(tmp_path: Path) -> None:
    good = saved(tmp_path / "a.pth", {"a": torch.zeros(10_000)}).read_bytes()

    def refused(data: bytes, says: str) -> None:
        (tmp_path / "b.pth").write_bytes(data)
        with pytest.raises(Refused, match=says):
            check_torch_file(tmp_path / "b.pth")

    (tmp_path / "c.pth").write_bytes(good)
    refused(rewritten(tmp_path / "c.pth", lambda _, data: data, zipfile.ZIP_DEFLATED).read_bytes(), "compressed")
    (tmp_path / "c.pth").write_bytes(good)
    refused(rewritten(tmp_path / "c.pth", lambda n, d: d[:-4] if "/data/" in n else d).read_bytes(), "size differs")
    refused(good + b"x", "end is damaged")
    refused(b"", "empty")
    refused(b"hello", "not a file of torch.save")
    with zipfile.ZipFile(tmp_path / "d.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused((tmp_path / "d.pth").read_bytes(), "not a file of torch.save")
    with zipfile.ZipFile(tmp_path / "c.pth", "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(next(n for n in archive.namelist() if n.endswith("data.pkl")), b"N.")
    refused((tmp_path / "c.pth").read_bytes(), "have the same name")


def test_hostile_streams_are_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.pth", {"a": torch.ones(4)}, new=False)
    good = path.read_bytes()
    count = struct.pack("<q", 4)
    assert good.count(count) == 1
    for data, says in [
        (good[:-1], "cut short"),
        (good.replace(count, struct.pack("<q", 2**60)), "size differs"),
        (good.replace(b"cpuq", b"cpuq").replace(b"K\x04N", b"M\xff\xffN"), "size differs|beyond"),
        (pickle.dumps([1, 2]), "not a file of torch.save"),
    ]:
        assert data != good
        path.write_bytes(data)
        with pytest.raises(Refused, match=says):
            check_torch_file(path)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_a_damaged_checkpoint_gives_its_content_or_one_clear_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.pth"
    whole = bytearray(saved(path, {"a": torch.ones(4), "b": [1, "x"]}, data.draw(st.booleans())).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(len(whole) // 2, len(whole)))])
    try:
        read_torch_file(path, "checkpoint", "train again")
    except BenchError as error:
        assert str(error).startswith(f"{path}: ") and "\n" not in str(error)


# --- tensors within other frameworks' pickles


def test_tensors_in_a_pickle_come_as_arrays(tmp_path: Path) -> None:
    wide = torch.arange(12.0).reshape(3, 4)
    value = [wide, wide.t(), wide[1], torch.tensor(7), torch.tensor([0.5], dtype=torch.bfloat16), torch.tensor([True])]
    for protocol in range(6):
        (tmp_path / "a.pkl").write_bytes(pickle.dumps(value, protocol))
        found = load(tmp_path / "a.pkl", "file of scores")
        for array, expected in zip(found, value, strict=True):
            assert type(array) is np.ndarray and array.tolist() == expected.tolist()


def test_hostile_tensors_in_a_pickle(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    torch.save(torch.ones(4).untyped_storage(), buffer, _use_new_zipfile_serialization=False)
    for block, size in [
        (buffer.getvalue(), VAST),
        (buffer.getvalue(), b"K\x11"),
        (buffer.getvalue()[:-1], b"K\x10"),
        (buffer.getvalue().replace(b"K\x10N", VAST + b"N"), b"K\x10"),
        (pickle.dumps(torch.ones(1)), b"K\x10"),
    ]:
        storage = b"ctorch.storage\n_load_from_bytes\n(B" + struct.pack("<I", len(block)) + block + b"tR"
        (tmp_path / "a.pkl").write_bytes(tensor(b"K\x00", size, b"K\x01", storage) + b".")
        with pytest.raises(BenchError, match="refused"):
            load(tmp_path / "a.pkl", "file of scores")
