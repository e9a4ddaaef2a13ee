"""Parts by name: shipped ones, those of installed packages, and the user's own as package.module:Name."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmark_builder.backgrounds import background_source
from benchmark_builder.datasets import DATASETS, dataset_root, read_dataset, registered_dataset
from benchmark_builder.masks import KINDS, mask_source, settings_of
from benchmark_builder.protocols import kind_of, resolve
from benchmark_builder.utils import registry
from benchmark_builder.utils.errors import BenchError

OWN = """
import numpy as np
from benchmark_builder.datasets import Listing
from benchmark_builder.video.record import Video

class Track:
    covered = np.ones(3, bool)
    def mask(self, index):
        return np.ones((4, 6), bool)

class Source:
    def __init__(self, path, dataset_root, wide: int = 2):
        self.path, self.wide = path, wide
    def track(self, video, height, width):
        return Track()
    def describe(self):
        return {"kind": "own", "wide": self.wide}

class Nameless(Source):
    def describe(self):
        return {}

class Grey:
    name = "grey"
    def __init__(self, path, fit):
        self.path, self.fit = path, fit
    def image(self, rng, height, width):
        return np.full((height, width, 3), 128, np.uint8), "grey", ()
    def describe(self):
        return {"kind": "grey", "name": self.name}

class Climbing(Grey):
    name = "../grey"

class Broken:
    def __init__(self, path, fit):
        raise RuntimeError("no disk\\nat all")
    image = describe = None.__class__

def function(path, root):
    raise AssertionError("called")

def read(root, split, fold):
    return Listing([Video(i, root / i, 0, "a", "all", "own") for i in ("b", "a")], ["a"], "all")

def read_twice(root, split, fold):
    return Listing([Video("a", root / "a", 0, "a", "all", "own")] * 2, ["a"], "all")

def read_nothing(root, split, fold):
    return 3

def read_label(root, split, fold):
    return Listing([Video("a", root / "a", 1, "a", "all", "own")], ["a"], "all")

def read_badly(root, split, fold):
    return {}[split]
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that holds ``ownparts.py`` and is the current one."""
    (tmp_path / "ownparts.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "ownparts", raising=False)
    return tmp_path


def test_a_registered_name_wins_and_the_rest_is_its_argument() -> None:
    assert KINDS.split("rle:a.b:c") == ("rle", "a.b:c")
    assert KINDS.split("motion") == ("motion", None)
    assert KINDS.split("my.masks:Source") == ("my.masks:Source", None)
    assert KINDS.split("my.masks:Source:a/b:c") == ("my.masks:Source", "a/b:c")
    for word in ("nothing", "C:\\masks", "a-b:C", "a:", ":B", "a:b-c", ""):
        with pytest.raises(BenchError, match=r"no such mask source; choose from .*motion.* package\.module:Name"):
            KINDS.split(word)


def test_names_as_parts_of_file_names() -> None:
    assert registry.safe_name("my.methods:Mine") == "my.methods.Mine"
    assert registry.safe_name("albar+stillmix") == "albar+stillmix" and registry.safe_name("ucf101-24") == "ucf101-24"
    assert registry.safe_name("../x:y") == "-x.y"
    assert dataset_root("my.data:read").name == "my.data.read"


def test_kinds_in_records_hold_no_path() -> None:
    assert kind_of("masks", "my.masks:Source:/secret/path") == "my.masks:Source"
    assert kind_of("masks", "boxes:my.masks:Source:/secret") == "boxes:my.masks:Source"
    assert kind_of("masks", "boxes:ucf101-24:/secret") == "boxes:ucf101-24"
    assert kind_of("backgrounds", "my.bg:Set:/secret") == "my.bg:Set" and kind_of("backgrounds", "images:x") == "images"
    changed = resolve("default", "folder", {"masks": "my.masks:Source:x"})[1]["changed"]
    assert changed["masks"]["here"] == "my.masks:Source"


def test_own_masks_backgrounds_and_dataset(own: Path) -> None:
    source = mask_source("ownparts:Source:here", own, wide=3)
    assert source.describe() == {"kind": "own", "wide": 3} and source.path == Path("here")  # type: ignore[attr-defined]
    assert settings_of("ownparts:Source") == settings_of("boxes:ownparts:Source:x") == {"wide"}
    boxed = mask_source("boxes:ownparts:Source", own, wide=4)
    assert boxed.describe() == {"kind": "boxes", "of": {"kind": "own", "wide": 4}}
    grey = background_source("ownparts:Grey:there", "stretch")
    assert grey.fit == "stretch" and grey.image(np.random.default_rng(0), 2, 3)[0].shape == (2, 3, 3)  # type: ignore[attr-defined]
    assert [v.id for v in read_dataset("ownparts:read", own).videos] == ["a", "b"], "sorted"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: mask_source("ownparts:Missing", p), "--masks ownparts:Missing: cannot be imported .*ownparts.py"),
        (lambda p: mask_source("nowhere:Source", p), "--masks nowhere:Source: cannot be imported .*No module"),
        (lambda p: mask_source("ownparts:function", p), "is not a mask source; give a class with track"),
        (lambda p: mask_source("os:system:true", p), "os:system: is not a mask source"),
        (lambda p: mask_source("ownparts:Nameless", p), "describe.* returned {}"),
        (lambda p: mask_source("ownparts:Source", p, prompts="x"), "--prompts x: --masks ownparts:Source has no such"),
        (lambda p: background_source("ownparts:Broken"), "creating it failed .RuntimeError: no disk."),
        (lambda p: background_source("ownparts:Climbing"), "its name '../grey' is not valid"),
        (lambda p: background_source("ownparts:function"), "is not a background set"),
        (lambda p: read_dataset("ownparts:read:x", p), "takes no text after a colon"),
        (lambda p: read_dataset("ownparts:read", p / "no"), "no such folder. Give the dataset's folder with --root"),
        (lambda p: read_dataset("ownparts:read_twice", p), "lists a twice"),
        (lambda p: read_dataset("ownparts:read_nothing", p), "returned a int; return a Listing"),
        (lambda p: read_dataset("ownparts:read_label", p), "labels are indices in classes"),
        (lambda p: read_dataset("ownparts:read_badly", p), "its reader failed .KeyError"),
        (lambda p: read_dataset("nothing", p), "no such dataset; choose from synthactions, ucf101"),
    ],
)  # fmt: skip
def test_wrong_own_parts_say_what_is_wrong(make: Callable[[Path], object], says: str, own: Path) -> None:
    with pytest.raises(BenchError, match=says):
        make(own)


def test_a_module_that_cannot_be_imported(own: Path) -> None:
    for name, text in (("broken1", "1 / 0"), ("broken2", "import sys; sys.exit(0)"), ("broken3", "def (")):
        (own / f"{name}.py").write_text(text)
        with pytest.raises(BenchError, match=f"--masks {name}:Source: cannot be imported"):
            mask_source(f"{name}:Source", own)


def test_a_name_from_a_file_imports_nothing(own: Path) -> None:
    assert registered_dataset("ucf101") == "ucf101"
    for name in ("ownparts:read", "ownparts.read", "os:system"):
        with pytest.raises(BenchError, match="is none of synthactions"):
            registered_dataset(name)
    assert "ownparts" not in sys.modules


def test_the_current_folder_is_searched_last(own: Path) -> None:
    """A file there replaces neither this toolkit nor the standard library."""
    (own / "evaluator.py").write_text("raise SystemExit('the wrong one')")
    (own / "colorsys.py").write_text("raise SystemExit('the wrong one')")
    code = "from benchmark_builder.masks import mask_source; from pathlib import Path; import colorsys, evaluator; " \
           "print(mask_source('ownparts:Source', Path()).describe()['kind'])"  # fmt: skip
    program = f"import sys; sys.path[:0] = {[p for p in sys.path if p and Path(p) != own]!r}; " \
              f"from benchmark_builder.utils.registry import search_here_last as s; s(); {code}"  # fmt: skip
    done = subprocess.run([sys.executable, "-c", program], cwd=own, capture_output=True, text=True, check=False)
    assert done.stdout == "own\n", done.stderr


def test_installed_packages_add_names(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = own / "ownparts-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: ownparts\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(
        "[albar_bench.masks]\nmine = ownparts:Source\nmotion = ownparts:Nameless\n"
        "[albar_bench.datasets]\nowndata = ownparts:read\n[albar_bench.backgrounds]\ngrey = ownparts:Grey\n"
    )
    monkeypatch.syspath_prepend(own)
    registry._points.cache_clear()
    try:
        assert KINDS.names()[-1] == "mine" and KINDS.names().count("motion") == 1
        assert mask_source("mine:x", own).describe()["kind"] == "own"
        assert type(mask_source("motion", own)).__name__ == "MotionMasks", "a shipped name cannot be replaced"
        assert background_source("grey").name == "grey"
        assert registered_dataset("owndata") == "owndata" and "owndata" in DATASETS
        assert len(read_dataset("owndata", own).videos) == 2
        with pytest.raises(BenchError, match=r"choose from .*sam2, mine, or"):
            mask_source("nothing", own)
    finally:
        registry._points.cache_clear()


def test_parts_that_lack_what_they_need_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "lacking.py").write_text(
        "from benchmark_builder.kinds import About\n"
        "from benchmark_builder.kinds.base import Kind\n"
        "from benchmark_builder.layouts.base import Layout\n"
        "class Nowhere(Layout):\n    suffix = '.x'\n"
        "class Silent(Kind):\n    about = About(name='silent', title='Silent', explained='x', good='low')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    from benchmark_builder.kinds.base import kind_named
    from benchmark_builder.layouts.layout import Layout

    with pytest.raises(BenchError, match=r"^--layout lacking:Nowhere: has no open\(\)"):
        Layout("lacking:Nowhere")
    with pytest.raises(BenchError, match=r"^lacking:Silent: has no compose"):
        kind_named("lacking:Silent")
