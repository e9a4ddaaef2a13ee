"""`bench export --for`: every peer's loader, written after what it opens, reads every frame and label back.

The readers here do what the projects' loaders do with paths, lists and patterns, and no more; pixels are decoded by the
means at hand.
"""

import csv
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from official_lists import write
from official_splits import write_frames
from tiny_videos import moving_square, write_video
from typer.testing import CliRunner

from albar_bench.cli.app import app
from benchmark_builder.audit.verify import verify
from benchmark_builder.benchmark.export import export_for
from benchmark_builder.benchmark.manifest import Benchmark, read_benchmark
from benchmark_builder.benchmark.peers import PEERS
from benchmark_builder.builders import Run, build_conflfg, build_scuba, build_scufo
from benchmark_builder.datasets import read_dataset
from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.export_iid import export_dataset
from benchmark_builder.layouts.layout import jpeg
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.utils.errors import BenchError
from evaluator.predictions.mmaction import read_any_predictions
from evaluator.testsets import benchmark_set

QUIET = Run(workers=1, progress=False, say=lambda _: None)
FRAMES, SIZE = 5, (32, 48)
# id -> class, of small data sets in their own layouts; names as the real ones have them.
VIDEOS = {
    "ucf101": {
        "Archery/v_Archery_g01_c01": "Archery", "Archery/v_Archery_g12_c03": "Archery",
        "HandstandPushups/v_HandStandPushups_g02_c01": "HandstandPushups", "Biking/v_Biking_g01_c04": "Biking",
    },
    "hmdb51": {
        "clap/#20_Rhythm_clap_u_nm_np1_fr_goo_0": "clap", "clap/my_(clap)[1]_clap_u_cm_np1_ba_goo_1": "clap",
        "draw_sword/a&b_draw_sword_f_nm_np1_ri_med_0": "draw_sword", "wave/x_wave_u_nm_np1_fr_goo_5": "wave",
    },
    "kinetics400": {
        "-Ab_c-d_000010_000020": "using segway", "=x.1_000001_000011": "abseiling", "zz_000003_000013": "zumba",
    },
    "folder": {"tennis serve/a b": "tennis serve", "tennis serve/c.d": "tennis serve", "Archery/a b": "Archery"},
}  # fmt: skip
TOPS = {"ucf101": "UCF-101", "hmdb51": "videos", "kinetics400": "val", "folder": ""}
KINDS = ("scuba", "scufo", "conflfg", "shaken")


def make(root: Path, dataset: str) -> Path:
    for k, (video_id, class_name) in enumerate(VIDEOS[dataset].items()):
        video, masks = moving_square(FRAMES, *SIZE, seed=k)
        folder = video_id.rpartition("/")[0] or class_name
        write_video(root / TOPS[dataset] / folder / f"{video_id.rpartition('/')[2]}.mkv", video)
        write_masks(root / "masks" / f"{video_id}.zip", masks)
    return root


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """(dataset, kind) -> a lossless benchmark, built once."""
    top = tmp_path_factory.mktemp("built")

    def build(dataset: str, kind: str) -> Path:
        root, scuba, out = top / dataset, top / f"{dataset}-scuba", top / f"{dataset}-{kind}"
        if not root.exists():
            make(root, dataset)
        if not scuba.exists():
            masks = f"stored:{root / 'masks'}"
            build_scuba(dataset, root, "all", out=scuba, masks=masks, per_video=2, layout="lossless", run=QUIET)
        if kind == "conflfg" and not out.exists():
            build_conflfg(scuba, out=out, run=QUIET)
        elif kind != "scuba" and not out.exists():
            build_scufo(scuba, out=out, run=QUIET, shaken=kind == "shaken")
        return out

    return build


def decoded(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([f.to_ndarray(format="rgb24") for f in container.decode(video=0)])


def picture(data: bytes) -> np.ndarray:
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


Read = dict[str, tuple[np.ndarray, int]]  # name as the loader calls it -> frames, label


def rawframes(prefix: Path, listed: Path, template: str) -> Read:
    """RawframeDataset of mmaction 0.x and mmaction2: "name frames label", split at blanks."""
    found: Read = {}
    for line in listed.read_text().splitlines():
        name, count, label = line.strip().split()
        pictures = [picture((prefix / name / template.format(k)).read_bytes()) for k in range(1, int(count) + 1)]
        assert not (prefix / name / template.format(int(count) + 1)).exists() and name not in found
        found[name] = np.stack(pictures), int(label)
    return found


def videos(prefix: Path, listed: Path) -> Read:
    """VideoDataset of mmaction2, PySlowFast's and, with an absolute path, VideoMAE's lists: "path label"."""
    found: Read = {}
    for line in listed.read_text().splitlines():
        path, label = line.split(" ")
        assert path not in found
        found[path] = decoded(prefix / path), int(label)
    return found


def videomae(folder: Path, mode: str = "test") -> Read:
    """VideoClsDataset: pandas' reader with a blank as delimiter; results are called by the name up to a dot."""
    found: Read = {}
    with open(folder / f"{mode}.csv", newline="") as handle:
        for path, label in csv.reader(handle, delimiter=" "):
            name = path.split("/")[-1].split(".")[0]
            assert Path(path).stat().st_size >= 1024 and name not in found
            found[name] = decoded(Path(path)), int(label)
    return found


def albar(bias_path: Path, dataset: str, folder: Path) -> Read:
    """VideoDataset of ALBAR, for a set such as ``ucf101_scuba_stripe``."""
    name = dataset.upper()
    for capitals, word in (("PLACES365", "Places365"), ("CONFLFG", "ConflFG"), ("STRIPE", "Stripe")):
        name = name.replace(capitals, word)
    found: Read = {}
    for path in sorted(p for p in (bias_path / name).iterdir() if not p.name.startswith(".")):
        if "ucf101" in dataset:
            classes = json.loads((folder / "ucf101_class_mapping.json").read_text())["classes"]
            label = int(classes[str(path).split("/v_")[-1].split("_g0")[0]]) - 1
        else:
            table = "hmdb51_labels.csv" if "hmdb51" in dataset else "k400_val_labels.csv"
            with open(folder / table, newline="") as handle:
                labels = {row["filename"]: int(row["label"]) for row in csv.DictReader(handle)}
            if "hmdb51" in dataset:
                label = labels[path.name[:-7] + ".avi"]
            else:
                label = labels[path.name if "scufo" in dataset else path.name[:-4]]
        if "scufo" in dataset:
            frames = picture(path.read_bytes())[None]
        else:
            with zipfile.ZipFile(path) as archive:
                frames = np.stack([picture(archive.read(n)) for n in sorted(archive.namelist())])
        found[path.name[:-4]] = frames, label
    return found


def by_name(out: Path) -> dict[str, str]:
    """name -> id, as names.csv says."""
    with open(out / "names.csv", newline="") as handle:
        return {row["name"].removeprefix("'"): row["id"].removeprefix("'") for row in csv.DictReader(handle)}


def same(read: Read, source: Benchmark, names: dict[str, str], lossy: int | None, still: bool = False) -> None:
    """Every video was read with its label and every frame of it."""
    assert {names[n] for n in read} == {r.id for r in source.rows}
    for name, (frames, label) in read.items():
        row = source.by_id[names[name]]
        wanted = np.stack(list(source.frames(row)))[: 1 if still else None]
        if lossy is not None:
            wanted = np.stack([picture(jpeg(frame, lossy)) for frame in wanted])
        assert label == row.label, name
        assert frames.shape == wanted.shape and (frames == wanted).all(), name


@pytest.mark.parametrize("dataset", ["ucf101", "hmdb51", "kinetics400", "folder"])
@pytest.mark.parametrize("kind", ["scuba", "scufo", "conflfg"])
def test_stillmix_reads_it(built: Callable, tmp_path: Path, dataset: str, kind: str) -> None:
    source = read_benchmark(built(dataset, kind))
    report, _ = export_for("stillmix", source.folder, tmp_path / "o", quality=90, progress=False)
    assert not report.failures and verify(tmp_path / "o", progress=False) == []
    template = "{:06d}.jpg" if dataset == "kinetics400" else "frame{:06d}.jpg"
    count = {"ucf101": 101, "hmdb51": 51, "folder": 2}.get(dataset)
    place, list_name = (f"{count}classes", "testlist01.txt") if count else (".", "val.txt")
    if kind == "conflfg":
        place, list_name = (place, "dynamic_testlist01.txt") if count else ("val", "dynamic_testlist01.txt")
    listed = tmp_path / "o" / place / list_name
    names = by_name(tmp_path / "o")
    same(rawframes(tmp_path / "o/generated_videos", listed, template), source, names, 90)
    if dataset != "folder":
        assert all("/" not in name for name in names), "one folder per video, as published"
    if kind == "conflfg":
        still = (listed.parent / "static_testlist01.txt").read_text().splitlines()
        moving = listed.read_text().splitlines()
        assert [line.split()[:2] for line in still] == [line.split()[:2] for line in moving]
        donors = {names[line.split()[0]]: int(line.split()[2]) for line in still}
        assert donors == {r.id: r.donor_label for r in source.rows}


SETS = {"scuba": "scuba_stripe", "scufo": "scufo_stripe", "conflfg": "conflfg_stripe", "shaken": "scuba_shaken_stripe"}


@pytest.mark.parametrize(("dataset", "base"), [("ucf101", "ucf101"), ("hmdb51", "hmdb51"), ("kinetics400", "k400")])
@pytest.mark.parametrize("kind", KINDS)
def test_albar_reads_it(built: Callable, tmp_path: Path, dataset: str, base: str, kind: str) -> None:
    source = read_benchmark(built(dataset, kind))
    report, settings = export_for("albar", source.folder, tmp_path / "o", quality=90, progress=False)
    assert not report.failures and verify(tmp_path / "o", progress=False) == []
    assert str(tmp_path / "o") in settings[0]
    read = albar(tmp_path / "o", f"{base}_{SETS[kind]}", tmp_path / "o")
    same(read, source, by_name(tmp_path / "o"), 90, still=kind == "scufo")


@pytest.mark.parametrize("dataset", ["ucf101", "kinetics400", "folder"])
@pytest.mark.parametrize("kind", ["scuba", "scufo"])
def test_mmaction2_reads_it(built: Callable, tmp_path: Path, dataset: str, kind: str) -> None:
    source = read_benchmark(built(dataset, kind))
    listed = "kinetics400_val_list_{}.txt" if dataset == "kinetics400" else f"{dataset}_test_split_1_{{}}.txt"
    frames, files = tmp_path / "frames", tmp_path / "files"
    export_for("mmaction2", source.folder, frames, quality=90, progress=False)
    read = rawframes(frames / "rawframes", frames / listed.format("rawframes"), "img_{:05}.jpg")
    same(read, source, by_name(frames), 90)
    export_for("mmaction2", source.folder, files, layout="lossless", progress=False)
    found = {str(Path(n).with_suffix("")): v for n, v in
             videos(files / "videos", files / listed.format("videos")).items()}  # fmt: skip
    same(found, source, by_name(files), None)
    assert verify(frames, progress=False) == verify(files, progress=False) == []


@pytest.mark.parametrize("dataset", ["hmdb51", "folder"])
@pytest.mark.parametrize("kind", ["scuba", "scufo"])
def test_pyslowfast_and_videomae_read_it(built: Callable, tmp_path: Path, dataset: str, kind: str) -> None:
    source = read_benchmark(built(dataset, kind))
    slow, mae = tmp_path / "slow", tmp_path / "mae"
    export_for("pyslowfast", source.folder, slow, layout="lossless", progress=False)
    for mode in ("test", "val"):
        read = videos(slow, slow / f"{mode}.csv")  # DATA.PATH_PREFIX is the folder
        found = {str(Path(n).with_suffix("")).removeprefix("videos/"): v for n, v in read.items()}
        same(found, source, by_name(slow), None)
    export_for("videomae", source.folder, mae, layout="lossless", progress=False)
    for mode in ("test", "val"):
        same(videomae(mae, mode), source, by_name(mae), None)
    assert verify(slow, progress=False) == verify(mae, progress=False) == []


@pytest.mark.parametrize("peer", ["mmaction2", "pyslowfast", "videomae"])
def test_plain_videos_are_listed(built: Callable, tmp_path: Path, peer: str) -> None:
    """The near-lossless layout, as a network of theirs would be fed."""
    source = read_benchmark(built("ucf101", "scuba"))
    export_for(peer, source.folder, tmp_path / "o", layout="video", progress=False)
    listed = "ucf101_test_split_1_videos.txt" if peer == "mmaction2" else "test.csv"
    read = videos(tmp_path / ("o/videos" if peer == "mmaction2" else "o"), tmp_path / "o" / listed)
    assert len(read) == len(source.rows)
    assert {label for _, label in read.values()} == {r.label for r in source.rows}
    for frames, _ in read.values():
        assert frames.shape == (FRAMES, *SIZE, 3)


def test_names_that_would_fall_together_are_refused_or_kept_apart(built: Callable, tmp_path: Path) -> None:
    folder = built("folder", "scuba")  # "tennis serve/a b" and "Archery/a b"
    export_for("videomae", folder, tmp_path / "mae", layout="lossless", progress=False)
    assert "tennis_serve_a_b__0" in by_name(tmp_path / "mae") and "Archery_a_b__0" in by_name(tmp_path / "mae")
    export_for("stillmix", folder, tmp_path / "still", progress=False)
    assert "tennis_serve/a_b__0" in by_name(tmp_path / "still")
    with pytest.raises(BenchError, match="Archery/a b__0 and tennis serve/a b__0 would both be called 'a b__0'"):
        export_for("albar", folder, tmp_path / "albar", progress=False)

    source = built("ucf101", "scuba")
    two = tmp_path / "two"
    shutil.copytree(source, two)
    rows = (two / "manifest.csv").read_text()
    # A second class with a video of the same name, which one flat folder cannot hold.
    (two / "manifest.csv").write_text(rows.replace("Archery/v_Archery_g12_c03", "Biking/v_Biking_g01_c04 x"))
    text = rows.replace("Archery/v_Archery_g12_c03", "Archery/v_Biking_g01_c04")
    (two / "manifest.csv").write_text(text)
    with pytest.raises(BenchError, match=r"would both be called 'v_biking_g01_c04__0'|'v_Biking_g01_c04__0'"):
        export_for("albar", two, tmp_path / "albar", progress=False)
    assert not (tmp_path / "albar").exists()
    # Blanks of two kinds become the same name.
    (two / "manifest.csv").write_text(rows.replace("v_Archery_g01_c01", "v a").replace("v_Archery_g12_c03", "v_a"))
    with pytest.raises(BenchError, match="rename one of them"):
        export_for("mmaction2", two, tmp_path / "mm", progress=False)


def test_what_a_loader_cannot_read_is_refused(built: Callable, tmp_path: Path) -> None:
    folder = built("ucf101", "scuba")
    with pytest.raises(BenchError, match=r"--for tsn: unknown; choose from stillmix, albar"):
        export_for("tsn", folder, tmp_path / "o", progress=False)
    with pytest.raises(BenchError, match=r"--layout video: albar's loader does not read it; give zip"):
        export_for("albar", folder, tmp_path / "o", layout="video", progress=False)
    with pytest.raises(BenchError, match="split at blanks"):
        export_for("videomae", folder, tmp_path / "my results", progress=False)
    shutil.copytree(built("hmdb51", "scuba"), tmp_path / "many")
    rows = (tmp_path / "many/manifest.csv").read_text()
    (tmp_path / "many/manifest.csv").write_text(rows.replace("goo_5__1", "goo_5__10"))
    with pytest.raises(BenchError, match="up to 10 videos per source"):
        export_for("albar", tmp_path / "many", tmp_path / "o", progress=False)
    assert not (tmp_path / "o").exists()


def test_a_second_export_does_only_what_is_missing_and_refuses_another_peer(built: Callable, tmp_path: Path) -> None:
    folder, out = built("ucf101", "scuba"), tmp_path / "o"
    first, _ = export_for("albar", folder, out, progress=False)
    lists = {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()}
    victim = out / first.benchmark.rows[0].file  # type: ignore[union-attr]
    victim.unlink()
    (out / "ucf101_class_mapping.json").unlink()
    again, _ = export_for("albar", folder, out, progress=False)
    assert again.made == 1 and {p.name: p.read_bytes() for p in out.iterdir() if p.is_file()} == lists
    assert again.benchmark is not None
    names = {Path(row.file).name for row in again.benchmark.rows}
    assert {p.name for p in (out / "UCF101_SCUBA_Stripe").iterdir()} == names
    with pytest.raises(BenchError, match="holds a build with other settings"):
        export_for("stillmix", folder, out, progress=False)


def test_results_in_the_order_of_the_list_are_scored(built: Callable, tmp_path: Path) -> None:
    """What a peer predicts is joined by the list it was given, or by names.csv."""
    folder = built("folder", "scuba")
    export_for("mmaction2", folder, tmp_path / "o", progress=False)
    scored = benchmark_set(tmp_path / "o")
    order = [line.split()[0] for line in (tmp_path / "o/folder_test_split_1_rawframes.txt").read_text().splitlines()]
    names = by_name(tmp_path / "o")
    scores = [[1.0, 0.0] if scored.labels[names[name]] == 0 else [0.0, 1.0] for name in order]
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    found = read_any_predictions(tmp_path / "scores.json", scored, tmp_path / "o/names.csv")
    assert (found.pred == found.labels).all() and set(found.ids) == set(scored.labels)


# The ordinary test set.


@pytest.mark.parametrize("peer", ["mmaction2", "pyslowfast", "videomae"])
@pytest.mark.parametrize("dataset", ["ucf101", "folder"])
def test_ordinary_videos_are_listed_where_they_are(tmp_path: Path, dataset: str, peer: str) -> None:
    root, out = make(tmp_path / "d", dataset), tmp_path / "o"
    done, _ = export_dataset(peer, dataset, out, root, "all", progress=False, say=lambda _: None)
    assert (done.made, done.kept, done.failures) == (len(VIDEOS[dataset]), 0, [])
    listed = f"{dataset}_test_split_1_videos.txt" if peer == "mmaction2" else "test.csv"
    prefix = {"mmaction2": out / "videos"}.get(peer, out)
    read = videomae(out) if peer == "videomae" else videos(prefix, out / listed)
    wanted = {v.id: v for v in read_dataset(dataset, root, "all").videos}
    names = by_name(out)
    assert len(read) == len(wanted)
    for name, (frames, label) in read.items():
        plain = str(Path(name).with_suffix("")) if peer != "videomae" else name
        video = wanted[names[plain.removeprefix("videos/")]]
        assert label == video.label and (frames == decoded(video.path)).all()
    assert export_dataset(peer, dataset, out, root, "all", progress=False, say=lambda _: None)[0].kept == len(wanted)
    # Nothing of the data set was copied or changed.
    assert all(p.is_symlink() for p in out.rglob("*.mkv"))


def test_stillmix_reads_the_ordinary_frames(tmp_path: Path) -> None:
    root, out = make(tmp_path / "d", "ucf101"), tmp_path / "o"
    listed = [*VIDEOS["ucf101"], "Archery/v_gone_g01_c01"]
    write(root / "ucfTrainTestlist/testlist02.txt", *(f"{name}.avi" for name in listed))
    said: list[str] = []
    done, _ = export_dataset("stillmix", "ucf101", out, root, "test", 2, quality=90, progress=False, say=said.append)
    assert done.made == 4 and [f["kind"] for f in done.failures] == ["left out"]
    assert any("missing: Archery/v_gone_g01_c01" in line for line in said)
    read = rawframes(out / "videos", out / "testlist02.txt", "frame{:06d}.jpg")
    names = by_name(out)
    for name, (frames, label) in read.items():
        video = next(v for v in read_dataset("ucf101", root, "all").videos if v.id == names[name])
        assert label == video.label
        assert (frames == np.stack([picture(jpeg(f, 90)) for f in decoded(video.path)])).all()
    assert set(names.values()) == set(VIDEOS["ucf101"])
    # Again: nothing to do; a changed source, and a lost copy, are made anew; what is gone is removed.
    again, _ = export_dataset("stillmix", "ucf101", out, root, "test", 2, quality=90, progress=False, say=said.append)
    assert (again.made, again.kept) == (0, 4)
    shutil.rmtree(out / "videos/v_Biking_g01_c04")
    write_video(root / "UCF-101/Archery/v_Archery_g01_c01.mkv", moving_square(3, *SIZE, seed=9)[0])
    (root / "UCF-101/Archery/v_Archery_g12_c03.mkv").unlink()
    again, _ = export_dataset("stillmix", "ucf101", out, root, "test", 2, quality=90, progress=False, say=said.append)
    assert (again.made, again.kept) == (2, 1)
    read = rawframes(out / "videos", out / "testlist02.txt", "frame{:06d}.jpg")
    assert len(read["v_Archery_g01_c01"][0]) == 3
    assert {p.name for p in (out / "videos").iterdir()} == set(read) == set(by_name(out))
    with pytest.raises(BenchError, match="holds another export"):
        export_dataset("stillmix", "ucf101", out, root, "all", progress=False, say=said.append)


def test_an_export_that_an_earlier_release_stopped_in_goes_on(tmp_path: Path) -> None:
    """Its journal was done.jsonl: a line per decoded file."""
    root, out = make(tmp_path / "d", "ucf101"), tmp_path / "o"
    export_dataset("stillmix", "ucf101", out, root, "all", progress=False, say=lambda _: None)
    journal = out / ".export/journal.jsonl"
    rows = [json.loads(line)["value"][0] for line in journal.read_text().splitlines()]
    assert len(rows) == 4
    journal.unlink()
    lines = [json.dumps({key: row[key] for key in ("file", "frames", "sha256")}) for row in rows]
    (journal.parent / "done.jsonl").write_text("\n".join([*lines[:3], "5", lines[3][:20]]))
    again, _ = export_dataset("stillmix", "ucf101", out, root, "all", progress=False, say=lambda _: None)
    assert (again.made, again.kept) == (1, 3)


def test_a_video_too_small_for_a_loader_costs_itself_alone_and_is_tried_again(tmp_path: Path) -> None:
    root, out = make(tmp_path / "d", "folder"), tmp_path / "o"
    small = next(root.rglob("c.d*"))
    whole, least = small.read_bytes(), PEERS["videomae"].least
    assert len(whole) >= least
    small.write_bytes(whole[: least - 1])
    counts = []
    for _ in range(3):
        report, _ = export_dataset("videomae", "folder", out, root, "all", progress=False, say=lambda _: None)
        counts.append((report.made, report.kept, [(f["id"], f["kind"]) for f in report.failures]))
        if len(counts) == 2:
            small.write_bytes(whole)
    bad = [("tennis serve/c.d", "failed")]
    assert counts == [(2, 0, bad), (0, 2, bad), (1, 2, [])]


def test_stillmix_reads_the_ordinary_videos_of_kinetics(tmp_path: Path) -> None:
    root, out = make(tmp_path / "d", "kinetics400"), tmp_path / "o"
    export_dataset("stillmix", "kinetics400", out, root, progress=False, say=lambda _: None)
    read = videos(out / "videos", out / "val.txt")
    classes = shipped_classes("kinetics400")
    assert {n: label for n, (_, label) in read.items()} == {
        f"{i}.mkv": classes.index(c) for i, c in VIDEOS["kinetics400"].items()
    }


def test_albar_reads_the_ordinary_videos(tmp_path: Path) -> None:
    quiet = {"progress": False, "say": lambda _: None}
    root, out = make(tmp_path / "u", "ucf101"), tmp_path / "uo"
    export_dataset("albar", "ucf101", out, root, "all", **quiet)  # type: ignore[arg-type]
    classes = json.loads((out / "ucf101_class_mapping.json").read_text())["classes"]
    ucf = shipped_classes("ucf101")
    lines = (out / "ucfTrainTestlist/testlist01.txt").read_text().splitlines()
    assert len(lines) == 4
    for line in lines:
        path = out / "Videos" / line.split(" ")[0]
        assert decoded(path).shape[0] == FRAMES
        assert int(classes[str(path).split("/")[-2]]) - 1 == ucf.index(path.parent.name)

    root, out = make(tmp_path / "h", "hmdb51"), tmp_path / "ho"
    export_dataset("albar", "hmdb51", out, root, "all", **quiet)  # type: ignore[arg-type]
    hmdb = shipped_classes("hmdb51")
    with open(out / "hmdb51_test_labels.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 4
    for row in rows:
        entry = f"{out / 'Videos' / row['class'] / row['filename']} {row['label']}"
        path, label = entry.split(" ")
        assert decoded(Path(path)).shape[0] == FRAMES and int(label) == hmdb.index(row["class"])

    root, out = make(tmp_path / "k", "kinetics400"), tmp_path / "ko"
    export_dataset("albar", "kinetics400", out, root, **quiet)  # type: ignore[arg-type]
    kinetics = shipped_classes("kinetics400")
    lines = (out / "annotation_test_fullpath_resizedvids.txt").read_text().splitlines()
    found = {Path(line.split(" ")[0]).stem: int(line.split(" ")[1]) - 1 for line in lines}
    assert found == {i: kinetics.index(c) for i, c in VIDEOS["kinetics400"].items()}
    assert all(decoded(Path(line.split(" ")[0])).shape[0] == FRAMES for line in lines)


def test_videos_that_are_folders_of_frames_become_files(tmp_path: Path) -> None:
    video, _ = moving_square(FRAMES, *SIZE)
    write_frames(tmp_path / "j/Rename_Images/wave/a_wave_0", video)
    root, out = tmp_path / "j", tmp_path / "o"
    done, _ = export_dataset("pyslowfast", "jhmdb", out, root, "all", progress=False, say=lambda _: None)
    assert done.made == 1 and not done.failures
    ((frames, label),) = videos(out, out / "test.csv").values()
    assert frames.shape == video.shape and label == shipped_classes("hmdb51").index("wave")


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["export", *map(str, arguments), "--workers", "1"])
    assert result.exception is None or isinstance(result.exception, (BenchError, SystemExit)), result.output
    return result.exit_code, f"{result.output}{result.exception}"


def test_the_command(built: Callable, tmp_path: Path) -> None:
    code, output = run(built("hmdb51", "scufo"), "--for", "albar", "--out", tmp_path / "o")
    assert code == 0 and "HMDB51_SCUFO_Stripe" in output and "cfg.bias_path" in output
    assert {p.suffix for p in (tmp_path / "o/HMDB51_SCUFO_Stripe").iterdir()} == {".jpg"}
    root = make(tmp_path / "h", "hmdb51")
    code, output = run("iid:hmdb51", "--root", root, "--split", "all", "--for", "pyslowfast", "--out", tmp_path / "i")
    assert code == 0 and "4 videos (4 new, 0 kept)" in output and "DATA.PATH_PREFIX" in output
    code, output = run("iid:hmdb51", "--root", root, "--out", tmp_path / "x")
    assert code == 1 and "give --for" in output
    (root / "videos/clap").rename(root / "videos/broken")
    (root / "videos/clap").mkdir()
    (root / "videos/clap/a_clap_0.avi").write_bytes(b"no video")
    code, output = run("iid:hmdb51", "--root", root, "--split", "all", "--for", "stillmix", "--out", tmp_path / "b")
    assert code == 1 and "1 video could not be exported" in output and "2 videos" in output
    assert len((tmp_path / "b/testlist01.txt").read_text().splitlines()) == 2
    assert set(PEERS) == {"stillmix", "albar", "mmaction2", "pyslowfast", "videomae"}
