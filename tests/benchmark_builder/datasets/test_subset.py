"""Lists of ids that choose videos: how they are read, what they mean, and what a build does with them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from small_builds import QUIET
from small_scores import refused

from benchmark_builder.benchmark.manifest import read_benchmark
from benchmark_builder.benchmark.protocol_record import read_protocol
from benchmark_builder.builders import Run, Subset, build_scuba, build_scufo
from benchmark_builder.datasets.subset import read_subset
from benchmark_builder.segment import segment
from benchmark_builder.utils.files import write_text

IDS = ["Archery/v_Archery_g01_c01", "Archery/v_Archery_g02_c01", "Basketball/v_Basketball_g01_c01"]
MASKS = "Basketball/v_Basketball_g02_c01"


def written(path: Path, content: object) -> str:
    write_text(path, content if isinstance(content, str) else json.dumps(content))
    return str(path)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("a.json", {"full": [*IDS, MASKS], "debiased": IDS}, ":debiased"),
        ("a.json", IDS, ""),
        ("a: b.json", {"x:y": IDS[:1], "debiased": [*IDS, IDS[0]]}, ":debiased"),
        ("a.txt", "\n".join(f"{i} 3" for i in IDS) + "\n\n", ""),
        ("a.txt", "\ufeff" + "\r\n".join(i.rpartition("/")[2] + ".avi" for i in IDS), ""),
        ("a.csv", "n,id\n" + "".join(f"{k},{i}\n" for k, i in enumerate(IDS)), ""),
        ("a.txt", "\n".join(f"{i}\t16  {k}" for k, i in enumerate(IDS)), ""),
        ("a.csv", "n;id\n" + "".join(f"{k};{i}\n" for k, i in enumerate(IDS)), ""),
        ("a.csv", "video_id,acc_top1\n" + "".join(f"{i}.mp4,0.5\n" for i in IDS), ""),
    ],
)
def test_every_form_of_a_list_means_the_same(tmp_path: Path, name: str, content: object, word: str) -> None:
    chosen = read_subset(written(tmp_path / name, content) + word).chosen([*IDS, MASKS])
    assert sorted(chosen.ids) == IDS and chosen.unknown == ()


def test_unknown_ids_are_counted_and_named(tmp_path: Path) -> None:
    listed = read_subset(written(tmp_path / "a.json", [*(f"gone{k}" for k in range(9)), IDS[0], "\x1b[31m"]))
    chosen = listed.chosen(IDS)
    assert chosen.ids == {IDS[0]} and len(chosen.unknown) == 10
    assert "1 video; 10 of its 11 ids are unknown here: gone0, gone1, gone2, gone3, gone4 and 5 more" in chosen.message
    assert "\x1b" not in read_subset(written(tmp_path / "b.json", ["\x1b[31m", IDS[0]])).chosen(IDS).message
    assert listed.sha256 == read_subset(written(tmp_path / "c.json", list(listed.ids)[::-1])).sha256


@pytest.mark.parametrize(
    ("name", "content", "word", "said"),
    [
        ("a.json", {"full": IDS}, "", "one of full"),
        ("a.json", {"full": IDS}, ":debiased", "choose from full"),
        ("a.json", IDS, ":full", "without a name"),
        ("a.json", {"full": {"x": 1}}, ":full", "not a list of texts"),
        ("a.json", [1, 2], "", "not a list of texts"),
        ("a.json", "{", "", "a.json"),
        ("a.txt", "\n", "", "no ids"),
        ("a.txt", "x", ":full", "only .json"),
        ("a.csv", "name\nx\n", "", "no column id"),
        ("a.pkl", "x", "", "neither .json"),
    ],
)
def test_what_is_no_list_is_refused(tmp_path: Path, name: str, content: object, word: str, said: str) -> None:
    path = written(tmp_path / name, content)
    assert said in refused(lambda: read_subset(path + word))
    assert "no such file" in refused(lambda: read_subset(f"{tmp_path}/none.json:full"))


def test_a_list_of_another_dataset_and_an_ambiguous_id_are_refused(tmp_path: Path) -> None:
    listed = read_subset(written(tmp_path / "a.json", ["x", "y"]))
    assert "'x'" in refused(lambda: listed.chosen(IDS)) and IDS[0] in refused(lambda: listed.chosen(IDS))
    short = read_subset(written(tmp_path / "b.json", ["c"]))
    assert "'a/c' or 'b/c'" in refused(lambda: short.chosen(["a/c", "b/c"]))


def test_a_build_makes_the_named_videos_alone(folder_of_actions: Callable[..., Path], tmp_path: Path) -> None:
    root, said = folder_of_actions(), []
    run = Run(workers=1, progress=False, say=said.append)
    word = written(tmp_path / "splits.json", {"debiased": [IDS[0], IDS[2], "v_Gone_g01_c01"]}) + ":debiased"
    options = {"masks": f"stored:{root / 'masks'}", "per_video": 1}
    report = build_scuba("ucf101", root, "all", out=tmp_path / "s", run=run, subset=Subset(listed=word), **options)
    assert report.benchmark is not None
    assert [r.source_id for r in report.benchmark.rows] == [IDS[0], IDS[2]]
    assert any("1 of its 3 ids are unknown here: v_Gone_g01_c01" in line for line in said)
    assert [(f["id"], f["kind"]) for f in report.failures] == [("v_Gone_g01_c01", "unknown")]
    (part,) = read_protocol(tmp_path / "s", "").subset or []
    assert part.listed is not None
    assert (part.listed.file, part.listed.name, part.listed.ids) == ("splits.json", "debiased", 3)
    # The videos are those of a build of everything.
    whole = build_scuba("ucf101", root, "all", out=tmp_path / "w", run=QUIET, **options).benchmark
    assert whole is not None
    digests = {r.id: r.pixels_xxh128 for r in whole.rows}
    assert all(digests[r.id] == r.pixels_xxh128 for r in report.benchmark.rows)
    # Of a SCUBA benchmark, likewise; from one that is this very part, all.
    for source, count in ((tmp_path / "w", 2), (tmp_path / "s", 2)):
        out = tmp_path / f"still-{source.name}"
        still = build_scufo(source, out=out, run=run, subset=Subset(listed=word)).benchmark
        assert still is not None and len(still.rows) == count
        assert (read_benchmark(out).protocol.subset is None) == (source.name == "s")
    other = written(tmp_path / "other.json", ["nothing"])
    message = refused(lambda: build_scuba("ucf101", root, "all", out=tmp_path / "o", run=QUIET,
                                          subset=Subset(listed=other), **options))  # fmt: skip
    assert "--subset other.json" in message and not (tmp_path / "o").exists()
    masks = segment("ucf101", root, "all", masks=options["masks"], out=tmp_path / "m", run=run,
                    subset=Subset(listed=word))  # fmt: skip
    assert masks.made == 2
