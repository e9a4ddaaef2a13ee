"""Publishing a benchmark and making it again: the files, the digests, and folders from strangers."""

import csv
import dataclasses
import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from small_builds import QUIET

from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.builders import build_conflfg, build_scuba, build_scufo
from benchmark_builder.parts import DATASETS
from benchmark_builder.publishing.archives import pack
from benchmark_builder.publishing.card import code
from benchmark_builder.publishing.licences import LICENCES, licence_lines, licence_of
from benchmark_builder.publishing.publish import Published, publish_benchmark
from benchmark_builder.publishing.rebuild import Rebuilt, rebuild
from benchmark_builder.publishing.record import without_folders
from benchmark_builder.publishing.terms import size_in_bytes
from benchmark_builder.settings import PublishSettings, RebuildSettings
from benchmark_builder.synthactions import SynthSettings, render_dataset
from benchmark_builder.utils.errors import BenchError


@dataclasses.dataclass(frozen=True)
class Made:
    root: Path
    scuba: Path
    scufo: Path
    conflfg: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Five rendered videos, and three benchmarks of them."""
    base = tmp_path_factory.mktemp("publish")
    found = Made(base / "own", base / "b/scuba", base / "b/scufo", base / "b/conflfg")
    render_dataset(found.root, SynthSettings(size=32, frames=4, train=0, test=5), 1, False)
    build_scuba("synthactions", found.root, "test", out=found.scuba, run=QUIET, per_video=1)
    build_scufo(found.scuba, out=found.scufo, run=QUIET)
    build_conflfg(found.scuba, out=found.conflfg, run=QUIET)
    return found


def publish(folder: Path, out: Path, **settings: object) -> Published:
    given = {"date": "2026-01-31", **settings}
    return publish_benchmark(folder, PublishSettings(out=out, **given), "1.0", progress=False)


def again(folder: Path, **settings: object) -> Rebuilt:
    return rebuild(folder, RebuildSettings(workers=1, **settings), progress=False)


def reasons(found: Rebuilt) -> list[str]:
    return [f["reason"] for f in found.report.failures if f["kind"] == "failed"]


def checksums_hold(folder: Path) -> bool:
    lines = (folder / "checksums.sha256").read_text().splitlines()
    named = {line.partition("  ")[2]: line.partition("  ")[0] for line in lines}
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {"checksums.sha256"}
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files}
    return named == sums


def test_a_video_folder_with_its_card(made: Made, tmp_path: Path) -> None:
    out = tmp_path / "published"
    published = publish(made.scuba, out, authors=("Ada: <b>",), title='A "title": of mine')
    assert published.pixels and published.videos == 5 and checksums_hold(out)
    with open(out / "metadata.csv", newline="") as handle:
        table = list(csv.DictReader(handle))
    rows = read_benchmark(made.scuba).rows
    assert [(r["file_name"], r["label"]) for r in table] == [(f"test/{r.file}", str(r.label)) for r in rows]
    assert all((out / r["file_name"]).is_file() for r in table)
    assert verify(out, progress=False) == []  # the folder is a benchmark, too
    head = yaml.safe_load((out / "README.md").read_text().split("---\n")[1])
    assert head["pretty_name"] == 'A "title": of mine' and head["license"] == "mit"
    assert head["configs"][0]["data_files"][0]["path"][0] == "metadata.csv"
    cited = yaml.safe_load((out / "CITATION.cff").read_text())
    assert cited["cff-version"] == "1.2.0" and cited["authors"] == [{"name": "Ada: <b>"}] and cited["references"]
    assert str(made.root.parent) not in "".join(p.read_text() for p in out.glob("*.json"))  # no path of this machine
    croissant = json.loads((out / "croissant.json").read_text())
    assert {f["@id"] for f in croissant["distribution"]} >= {"manifest.csv", "metadata.csv"}
    assert (out / "sheet.png").is_file()


def test_archives_stay_below_the_limit_and_are_equal_again(made: Made, tmp_path: Path) -> None:
    limit = 20_000
    for name in ("a", "b"):
        publish(made.scuba, tmp_path / name, archive_size=f"{limit}")
    archives = sorted((tmp_path / "a/archives").iterdir())
    assert len(archives) > 2 and all(p.stat().st_size <= limit for p in archives)
    assert not (tmp_path / "a/videos").exists() and checksums_hold(tmp_path / "a")
    for path in archives:
        assert path.read_bytes() == (tmp_path / "b/archives" / path.name).read_bytes()
    with zipfile.ZipFile(next(p for p in archives if p.name.startswith("videos"))) as archive:
        listed = archive.read("metadata.csv").decode().splitlines()
        assert len(listed) == len(archive.namelist())
    found = again(tmp_path / "a", out=tmp_path / "unpacked")
    assert found.same and found.report.benchmark is not None


def test_without_pixels_the_same_manifest_is_made_from_an_own_copy(made: Made, tmp_path: Path) -> None:
    for name, kind in (("scuba", made.scuba), ("scufo", made.scufo), ("conflfg", made.conflfg)):
        publish(kind, tmp_path / "published" / name, with_pixels=False, archive_size="30KB")
        files = [p.name for p in (tmp_path / "published" / name).rglob("*")]
        assert not any(f.endswith((".mp4", ".png")) for f in files)  # nothing that shows the source's pixels
        found = again(tmp_path / "published" / name, root=made.root, out=tmp_path / "again" / name)
        assert found.same, reasons(found)
    benchmark = read_benchmark(tmp_path / "again/scuba")
    assert sum(1 for _ in benchmark.frames(benchmark.rows[0])) == 4


def test_a_changed_source_costs_itself_alone_and_the_rebuild_goes_on(made: Made, tmp_path: Path) -> None:
    publish(made.scuba, tmp_path / "published", with_pixels=False)
    own = tmp_path / "own"
    shutil.copytree(made.root, own)
    rows = read_benchmark(made.scuba).rows
    other = (own / rows[1].source_file).read_bytes()
    (own / rows[0].source_file).unlink()
    shutil.copy(own / rows[2].source_file, own / rows[1].source_file)
    found = again(tmp_path / "published", root=own, out=tmp_path / "again")
    assert len(reasons(found)) == 2 and not found.same
    assert any(rows[1].id in r and "SHA-256" in r for r in reasons(found))
    (own / rows[1].source_file).write_bytes(other)
    shutil.copy(made.root / rows[0].source_file, own / rows[0].source_file)
    found = again(tmp_path / "published", root=own, out=tmp_path / "again")
    assert found.same and found.report.kept == 3 and found.report.made == 2


def test_another_background_or_mask_is_found_by_the_digest(made: Made, tmp_path: Path) -> None:
    publish(made.scuba, tmp_path / "published", with_pixels=False)
    rows = read_benchmark(made.scuba).rows
    folder = tmp_path / "published"
    shutil.copy(folder / f"backgrounds/{rows[0].id}.virtual", folder / f"backgrounds/{rows[1].id}.virtual")
    (folder / rows[2].mask_file).write_bytes(b"PK")
    found = again(folder, root=made.root, out=tmp_path / "again")
    said = "\n".join(reasons(found))
    assert len(reasons(found)) == 2 and f"{rows[1].id}: is not the published video: pixels_xxh128" in said
    assert rows[2].mask_file in said
    assert not list((tmp_path / "again").rglob(f"{Path(rows[1].id).name}*.mp4"))


def test_virtual_videos_and_layouts_without_files(made: Made, tmp_path: Path) -> None:
    virtual = tmp_path / "virtual"
    build_scuba("synthactions", made.root, "test", out=virtual, run=QUIET, per_video=1, layout="virtual")
    with pytest.raises(BenchError, match="no video files"):
        publish(virtual, tmp_path / "no")
    assert not (tmp_path / "no").exists() and not list(tmp_path.glob(".tmp*"))
    publish(virtual, tmp_path / "published", with_pixels=False)
    assert again(tmp_path / "published", root=made.root, out=tmp_path / "again").same


def test_pixels_that_a_licence_forbids_stay_at_home(made: Made, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    shutil.copytree(made.scuba, foreign)
    protocol = json.loads((foreign / "protocol.json").read_text())
    (foreign / "protocol.json").write_text(json.dumps({**protocol, "dataset": "ucf101"}))
    published = publish(foreign, tmp_path / "free")
    assert not published.pixels and "none stated" in " ".join(published.said)
    assert not list((tmp_path / "free").rglob("*.mp4"))
    assert publish(foreign, tmp_path / "all", with_pixels=True).pixels
    assert "says that they may be passed on" in (tmp_path / "all/README.md").read_text()


def test_every_dataset_has_a_licence_and_the_docs_list_them() -> None:
    assert set(DATASETS.shipped) - {"folder"} <= set(LICENCES)
    assert not licence_of("folder").pixels and not licence_of("my.reader:read").pixels
    page = (Path(__file__).parents[3] / "docs/publish.md").read_text()
    assert "\n".join(licence_lines()) in page


@pytest.mark.parametrize(("text", "size"), [("2GB", 2 * 10**9), ("1.5GiB", 3 * 2**29), (" 500 mb", 5 * 10**8)])
def test_sizes(text: str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "2 apples", "1e9", "0", "9KB", "٣GB", "1" * 400])
def test_no_sizes(text: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="--archive-size"):
        PublishSettings(out=tmp_path, archive_size=text)


def test_a_file_larger_than_an_archive(tmp_path: Path) -> None:
    (tmp_path / "video.mp4").write_bytes(bytes(9_000))
    with pytest.raises(BenchError, match="too large for an archive of 10000 bytes"):
        pack(tmp_path, ["video.mp4"], "videos", 10_000)


def test_no_folder_of_this_machine_in_a_text() -> None:
    assert without_folders("/home/ada/my data/x.avi: ends (see /tmp/log.txt)", ["/home/ada/my data"]) == (
        "x.avi: ends (see log.txt)"
    )
    assert without_folders("hf:/home/ada/model") == "hf:model"
    assert without_folders(r"C:\Users\ada\x.avi is missing") == "x.avi is missing"
    for text in ("https://example.org/a/b", "1/2 of a/b.mp4", "and/or", "", "/"):
        assert without_folders(text) == text


def test_names_are_never_markup() -> None:
    assert code("a`b") == "``a`b``" and code("`") == "`` ` ``" and "|" not in code("a|b") and "\n" not in code("a\nb")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"licence": "gpl; rm"}, "--licence"),
        ({"date": "31.1.2026"}, "--date"),
        ({"with_pixels": False, "backgrounds": "plain"}, "--backgrounds plain"),
    ],
)
def test_wrong_options(made: Made, tmp_path: Path, settings: dict[str, object], said: str) -> None:
    with pytest.raises(BenchError, match=said):
        publish(made.scuba, tmp_path / "out", **settings)
    assert not (tmp_path / "out").exists()


def test_what_exists_is_never_overwritten(made: Made, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine.txt").write_text("mine")
    with pytest.raises(BenchError, match="not empty"):
        publish(made.scuba, tmp_path / "out")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


def test_what_a_killed_run_left_is_removed(made: Made, tmp_path: Path) -> None:
    (tmp_path / ".tmp-out/videos").mkdir(parents=True)
    (tmp_path / ".tmp-out/videos/half.mp4").write_bytes(b"half")
    publish(made.scuba, tmp_path / "out", with_pixels=False)
    assert checksums_hold(tmp_path / "out") and not list((tmp_path / "out").rglob("half*"))
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".tmp")] == []


def test_background_videos_are_the_user_s(made: Made, tmp_path: Path) -> None:
    scenes = tmp_path / "scenes"
    scenes.mkdir()
    for row in read_benchmark(made.scuba).rows[:2]:
        shutil.copy(made.scuba / row.file, scenes / Path(row.file).name)
    build_scuba("synthactions", made.root, "test", out=tmp_path / "b", run=QUIET, per_video=1, layout="virtual",
                backgrounds=f"video:{scenes}")  # fmt: skip
    publish(tmp_path / "b", tmp_path / "published", with_pixels=False)
    scenes.rename(tmp_path / "moved")
    with pytest.raises(BenchError, match="give it with --backgrounds"):
        again(tmp_path / "published", root=made.root, out=tmp_path / "again")
    assert again(tmp_path / "published", root=made.root, out=tmp_path / "again", backgrounds=tmp_path / "moved").same


def test_a_damaged_video_is_not_published(made: Made, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(made.scuba, damaged)
    video = damaged / read_benchmark(damaged).rows[0].file
    video.write_bytes(video.read_bytes()[:-1])
    with pytest.raises(BenchError, match="SHA-256 differs"):
        publish(damaged, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def _evil_zip(folder: Path) -> None:
    """An archive with names that point outside, and one compressed member in place of a video."""
    path = next(p for p in sorted((folder / "archives").iterdir()) if p.name.startswith("videos"))
    with zipfile.ZipFile(path) as archive:
        name = next(n for n in archive.namelist() if n.endswith(".mp4"))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../outside.txt", "x")
        archive.writestr("/outside.txt", "x")
        archive.writestr(name, bytes(10**6))


def _link(folder: Path) -> None:
    (folder / "archives").rename(folder / "moved")
    (folder / "archives").symlink_to("/etc")


def _edit(name: str, **changes: object) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        document = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**document, **changes}))

    return edit


def _replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def replace(folder: Path) -> None:
        text = (folder / name).read_text()
        assert old in text
        (folder / name).write_text(text.replace(old, new))
        digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        _edit("publication.json", manifest_sha256=digest if name == "manifest.csv" else "")(folder)

    return replace


HOSTILE: dict[str, Callable[[Path], object]] = {
    "no record": lambda folder: (folder / "publication.json").unlink(),
    "no json": lambda folder: (folder / "publication.json").write_text("{"),
    "a list": lambda folder: (folder / "publication.json").write_text("[]"),
    "newer": _edit("publication.json", format=99),
    "results": _edit("publication.json", what="results"),
    "pixels as text": _edit("publication.json", pixels="yes"),
    "archive outside": _edit("publication.json", archives=["archives/../../x.zip"]),
    "archive absolute": _edit("publication.json", archives=["/etc/passwd"]),
    "archive missing": _edit("publication.json", archives=["archives/none.zip"]),
    "archive is text": lambda folder: next(iter(sorted((folder / "archives").iterdir()))).write_text("x"),
    "archives a link": _link,
    "evil zip": _evil_zip,
    "manifest changed": lambda folder: (folder / "manifest.csv").write_text("id\n"),
    "manifest of another": _edit("publication.json", manifest_sha256="0" * 64),
    "video outside": _replace("manifest.csv", ",videos/", ",../../videos/"),
    "mask outside": _replace("manifest.csv", ",masks/", ",../masks/"),
    "id outside": _replace("manifest.csv", "Wave/", "../Wave/"),
    "own layout": _edit("protocol.json", layout="os:system"),
    "own kind": _edit("protocol.json", kind="evil", kind_described={"part": "os:system"}),
    "no protocol": lambda folder: (folder / "protocol.json").unlink(),
}


@pytest.fixture(scope="module")
def packed(made: Made, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Path]:
    """Published folders in archives, with and without pixels."""
    base = tmp_path_factory.mktemp("packed")
    for pixels in (True, False):
        publish(made.scuba, base / str(pixels), archive_size="30KB", with_pixels=pixels)
    return {pixels: base / str(pixels) for pixels in (True, False)}


@pytest.mark.parametrize("pixels", [True, False])
@pytest.mark.parametrize("what", HOSTILE)
def test_a_stranger_s_folder(what: str, pixels: bool, made: Made, packed: dict[bool, Path], tmp_path: Path) -> None:
    if (what == "evil zip" and not pixels) or (what == "own layout" and pixels):
        pytest.skip("nothing to change there, or the layout is not used")
    folder = tmp_path / "deep/stranger"
    shutil.copytree(packed[pixels], folder)
    HOSTILE[what](folder)
    before = {p for p in tmp_path.rglob("*") if "out" not in p.relative_to(tmp_path).parts}
    try:
        found = again(folder, root=made.root, out=tmp_path / "deep/out")
    except BenchError as error:
        assert "\n" not in str(error)
    else:  # then single videos failed, and are listed
        assert reasons(found) or what == "own kind"  # unpacked without asking what the kind is
    after = {p for p in tmp_path.rglob("*") if "out" not in p.relative_to(tmp_path).parts}
    assert after == before  # nothing was written outside its folder


@pytest.mark.parametrize("name", ["../../evil", "a/b", "..\\\\evil", "x" * 300, "a\nb"])
def test_a_stranger_s_words_are_no_folder(made: Made, packed: dict[bool, Path], tmp_path: Path, name: str) -> None:
    folder = tmp_path / "stranger"
    shutil.copytree(packed[True], folder)
    _edit("protocol.json", backgrounds={"name": name})(folder)
    before = set(tmp_path.rglob("*"))
    with pytest.raises(BenchError, match="--out"):
        again(folder)
    assert set(tmp_path.rglob("*")) == before
    assert again(folder, out=tmp_path / "out").videos == 5


def test_kinds_made_from_scuba_need_it(made: Made, tmp_path: Path) -> None:
    publish(made.scufo, tmp_path / "p/scufo", with_pixels=False)
    with pytest.raises(BenchError, match="--scuba"):
        again(tmp_path / "p/scufo", root=made.root, out=tmp_path / "again")
    with pytest.raises(BenchError, match="give a SCUBA benchmark"):
        again(tmp_path / "p/scufo", root=made.root, scuba=made.conflfg, out=tmp_path / "again")
    with pytest.raises(BenchError, match="--root"):
        again(tmp_path / "p/scufo", root=tmp_path / "none", scuba=made.scuba, out=tmp_path / "again")
    assert again(tmp_path / "p/scufo", root=made.root, scuba=made.scuba, out=tmp_path / "again").same


def test_an_address_is_of_the_web(tmp_path: Path) -> None:
    assert PublishSettings(out=tmp_path, url="https://example.org/x").url == "https://example.org/x"
    with pytest.raises(BenchError, match="https://"):
        PublishSettings(out=tmp_path, url="javascript:alert(1)")


def test_never_inside_the_benchmark_and_the_card_says_why_there_are_no_videos(made: Made, tmp_path: Path) -> None:
    before = sorted(made.scuba.rglob("*"))
    (tmp_path / "link").symlink_to(made.scuba)
    for out in (made.scuba / "pub", made.scuba, tmp_path / "link" / "pub"):
        with pytest.raises(BenchError, match="is inside the benchmark"):
            publish(made.scuba, out)
    assert sorted(made.scuba.rglob("*")) == before
    publish(made.scuba, tmp_path / "pub", with_pixels=False)  # renders may be passed on
    card = (tmp_path / "pub" / "README.md").read_text()
    assert "whoever published it left them out" in card and "does not say that its pixels" not in card
