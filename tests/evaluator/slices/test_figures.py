"""Figures per group: by hand, with what is left out, in records and on screen; planted gaps."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from commands import bench
from rich.console import Console
from small_scores import refused
from small_slices import made

import albar_bench as ab
from albar.clips.clips import ClipSampling
from evaluator.predictions.files import read_predictions
from evaluator.records import read_record
from evaluator.reports.report import report
from evaluator.reports.slices import notes_of, show_slices
from evaluator.score import score
from evaluator.slices.attributes import read_attributes
from evaluator.slices.figures import FEW
from evaluator.slices.groups import group as grouped
from evaluator.slices.groups import restricted
from evaluator.testsets import benchmark_set, limited

# Source video -> whether its variants are right. Light: 3 of 4 and 1 of 2 videos; dark: 1 of 4.
RIGHT = {"jump/a": [1, 1, 1, 0], "jump/b": [1, 0], "jump/c": [1, 0, 0, 0], "jump/d": [0]}
STILL = {"jump/a": [1, 0, 0, 0], "jump/b": [0, 0], "jump/c": [1, 1, 0, 1], "jump/d": [1]}
TABLE = """id,attribute,value
jump/a.avi,skin tone,light
jump\\b,skin tone,light
jump/c,skin tone,dark
jump/zz,skin tone,dark
jump/d,indoors,yes
"""


def slices(folder: Path, text: str, name: str = "s.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.fixture
def pair(tmp_path: Path) -> tuple[list[Path], list[Path]]:
    files = [made(tmp_path / "scuba", RIGHT), made(tmp_path / "scufo", STILL, "scufo")]
    return [f for f, _ in files], [b for _, b in files]


def test_figures_per_group_by_hand(tmp_path: Path, pair: tuple[list[Path], list[Path]]) -> None:
    scored = score(*pair, tmp_path / "out", slices=slices(tmp_path, TABLE))
    assert scored.path is not None
    record = read_record(scored.path)
    tone, indoors = record.slices
    assert (tone.attribute, tone.source, tone.groups) == ("skin tone", "s.csv", ["dark", "light"])
    found = {name: {g: (v.percent, v.n, v.sources) for g, v in f.groups.items()} for name, f in tone.figures.items()}
    assert found == {
        # light: 4 of 6 SCUBA videos; dark: 1 of 4
        "avg_scuba": {"light": (pytest.approx(100 * 4 / 6, abs=1e-9), 6, 2), "dark": (25.0, 4, 1)},
        # SCUFO, low is good: light 1 of 6, dark 3 of 4
        "avg_scufo": {"light": (pytest.approx(100 / 6, abs=1e-9), 6, 2), "dark": (75.0, 4, 1)},
        # SCUBA right and SCUFO wrong: light a1 a2 b0; dark none (c0 is right as a still, too)
        "contra_acc": {"light": (50.0, 6, 2), "dark": (0.0, 4, 1)},
    }
    assert {name: f.worst for name, f in tone.figures.items()} == dict.fromkeys(found, "dark")
    gaps = {name: (f.gap.percent, f.gap.largest, f.gap.smallest) for name, f in tone.figures.items() if f.gap}
    assert gaps == {
        "avg_scuba": (pytest.approx(100 * 4 / 6 - 25, abs=1e-9), "light", "dark"),
        "avg_scufo": (pytest.approx(75 - 100 / 6, abs=1e-9), "dark", "light"),
        "contra_acc": (50.0, "light", "dark"),
    }
    # One source video says nothing of others, unless all of its videos are alike: then Clopper and Pearson's limit.
    assert (tone.figures["avg_scuba"].groups["dark"].low, tone.figures["avg_scuba"].groups["dark"].high) == (None, None)
    assert tone.figures["contra_acc"].groups["dark"].high == pytest.approx(97.5)
    # What is in no group is counted and listed.
    assert (tone.unlabelled.count, tone.unlabelled.first) == (1, ["jump/d"])
    assert (tone.unknown.count, tone.unknown.first) == (1, ["jump/zz"])
    assert indoors.figures["avg_scuba"].gap is None and indoors.unlabelled.first == ["jump/a", "jump/b", "jump/c"]
    table, rest = (path.read_text().splitlines() for path in scored.slices)
    assert table[0].startswith("attribute,source,figure,group,percent,low,high,n,sources,missing,few,worst,gap,")
    assert len(table) == 1 + 3 * 2 + 3 and "skin tone,s.csv,avg_scuba,dark,25.0,,,4,1,0,True,True," in table[1]
    assert "skin tone,jump/d,has no value" in rest and "skin tone,jump/zz,is no video of the test sets" in rest


def test_all_videos_in_one_group_have_the_figures_of_all(tmp_path: Path, pair: tuple[list[Path], list[Path]]) -> None:
    one = slices(tmp_path, "id,attribute,value\n" + "".join(f"{i},all,yes\n" for i in RIGHT))
    record = score(*pair, slices=[one]).record
    (only,) = record.slices
    found = {name: (f.groups["yes"].percent, f.groups["yes"].n) for name, f in only.figures.items()}
    assert found == {name: (f.percent, f.n) for name, f in record.figures.items()}


def test_figures_without_slices_are_the_same(tmp_path: Path, pair: tuple[list[Path], list[Path]]) -> None:
    plain = score(*pair).record.plain()
    assert "slices" not in plain
    sliced = score(*pair, slices=str(slices(tmp_path, TABLE))).record.plain()
    sliced.pop("slices")
    assert sliced == plain


def test_a_value_holds_where_it_holds_longest_in_the_frames_shown(tmp_path: Path) -> None:
    files = made(tmp_path / "b", {"jump/a": [1], "jump/b": [0], "jump/c": [0]},
                 frames={"jump/a": "0-9", "jump/b": "5-9", "jump/c": "0-1 6-9"})  # fmt: skip
    # near 0..5, far 6..9: a shows 6 and 4 frames of them, b 1 and 4, c 2 and 4
    text = "id,attribute,value,start,end\n" + "".join(f"{i},size,near,0,5\n{i},size,far,6,9\n" for i in "abc")
    (size,) = score([files[0]], [files[1]], slices=slices(tmp_path, text)).record.slices
    assert {g: v.percent for g, v in size.figures["avg_scuba"].groups.items()} == {"far": 0.0, "near": 100.0}
    # none of the frames that are shown
    (tmp_path / "t.csv").write_text("id,attribute,value,start,end\na,size,near,20,25\nb,size,near,0,9\n")
    (size,) = score([files[0]], [files[1]], slices=tmp_path / "t.csv").record.slices
    assert size.unlabelled.first == ["jump/a", "jump/c"] and size.groups == ["near"]


def test_a_value_holds_where_it_holds_longest_in_the_test_clips(tmp_path: Path) -> None:
    files = made(tmp_path / "b", {"jump/a": [1], "jump/b": [0], "jump/c": [1]},
                 frames={"jump/a": "0-19", "jump/b": "10-29", "jump/c": "0-4"})  # fmt: skip
    # near 0..13, far 14..29 (c: near 0..1, far 2..4)
    text = "id,attribute,value,start,end\n" + "".join(
        f"{i},size,near,0,{last}\n{i},size,far,{last + 1},29\n" for i, last in (("a", 13), ("b", 13), ("c", 1))
    )
    sets = [benchmark_set(files[1])]
    (size,) = read_attributes(slices(tmp_path, text))

    def of(sampling: ClipSampling | None) -> tuple[dict[str, str], str]:
        groups = grouped(size, sets, sampling)
        return {name.split("/")[1][0]: value for name, value in groups.of[sets[0].name].items()}, groups.frames

    # All frames. a: 14 near, 6 far; b: 4 near, 16 far; c: 2 near, 3 far.
    assert of(None) == ({"a": "near", "b": "far", "c": "far"}, "video")
    # Four frames, stride 2, in the middle: room is 20 - 7 = 13, so frames 6 8 10 12 of a: all near; of b these are the
    # frames 16 18 20 22 of the source: all far; c has 5 frames and repeats the last: 0 2 4 4, each once: 1 near, 2 far.
    four = ClipSampling(frames=4, stride=2, test_start="centre", short="clamp")
    assert of(four) == ({"a": "near", "b": "far", "c": "far"}, "clip")
    # From the first frame: a 0 2 4 6 near; b 10 12 14 16, two of each: the one that starts first.
    assert of(four.replaced(test_start="first")) == ({"a": "near", "b": "near", "c": "far"}, "clip")
    # Three clips of two frames: room 18, views start at 3, 9, 15: frames 3 4 9 10 15 16 of a; 13 14 19 20 25 26 of b.
    # Of c they start at 0, 1, 2, so frames 0 to 3 are shown, two of each.
    three = ClipSampling(frames=2, stride=1, views=3, test_start="centre")
    assert of(three) == ({"a": "near", "b": "far", "c": "near"}, "clip")
    # Two frames spread evenly, the first of each half: a 0 10; b 10 20; c 0 2.
    assert of(ClipSampling(frames=2, even=True, test_start="first"))[0] == {"a": "near", "b": "near", "c": "near"}


def test_the_frames_that_decided_are_said(tmp_path: Path, pair: tuple[list[Path], list[Path]]) -> None:
    ranged = slices(tmp_path, "id,attribute,value,start,end\na,size,near,0,5\nb,size,far,0,5\n")
    record = score(*pair, slices=[ranged, slices(tmp_path, TABLE, "t.csv")]).record
    assert [s.frames for s in record.slices] == ["video", "", ""]
    console = Console(file=io.StringIO(), width=200)
    show_slices(record.slices, console=console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("in all of its frames, because the frames of the test clips are not known") == 1


def test_the_warning_says_in_which_figures_a_group_is_small(tmp_path: Path) -> None:
    many, few = {f"jump/a{k}": [1] for k in range(FEW)}, {f"jump/b{k}": [1] for k in range(3)}
    files = [
        made(tmp_path / "scuba", many | few),
        made(tmp_path / "scufo", dict(list(many.items())[:5]) | few, "scufo"),
    ]
    text = "id,attribute,value\n" + "".join(f"{i},where,{i[5]}\n" for i in many | few)
    (where,) = score(*map(list, zip(*files, strict=True)), slices=slices(tmp_path, text)).record.slices
    assert "too few for conclusions: a (in Avg SCUFO, Contra. Acc.), b." in "\n".join(notes_of(where))


def test_the_table_on_screen_warns_of_small_groups(tmp_path: Path, pair: tuple[list[Path], list[Path]]) -> None:
    record = score(*pair, slices=[slices(tmp_path, TABLE.replace("light", "[b]li\x1bght"))]).record
    buffer = io.StringIO()
    show_slices(record.slices, console=Console(file=buffer, width=200))
    text = buffer.getvalue()
    assert "[b]li\\x1bght" in text and "\x1b" not in text
    assert f"fewer than {FEW} source videos" in text and "worst" in text and "gap: " in text
    assert "1 source video has no value: jump/d" in text and "1 name in the source is no video" in text
    assert "Labels of people are what annotators saw" in text  # because of its name, skin tone


def test_the_python_api_gives_a_table(tmp_path: Path, pair: tuple[list[Path], list[Path]]) -> None:
    result = ab.score(*pair, slices=slices(tmp_path, TABLE))
    frame = result.slices
    dark = frame[(frame.group == "dark") & (frame.figure == "avg_scufo")].iloc[0]
    assert (dark.percent, dark.n, dark.sources, bool(dark.worst), bool(dark.few)) == (75.0, 4, 1, True, True)
    assert ab.score(*pair).slices.empty


BAD = {
    "id,attribute\na,b\n": "has no column value",
    "id,attribute,value\n": "has no rows",
    "id,attribute,value\na,b\n": "line 2: 2 cells under 3 columns",
    "id,attribute,value\n,b,c\n": "line 2: no id",
    "id,attribute,value\na,b,c\na,b,d\n": "line 3: 'b' of 'a' is 'd', but line 2 says 'c' for the whole video",
    "id,attribute,value,start,end\na,b,c,5,4\n": "line 2: frames '5' to '4' are no range",
    "id,attribute,value,start,end\na,b,c,,4\n": "line 2: frames '' to '4' are no range",
    "id,attribute,value,start,end\na,b,c,1,99999999999999\n": "are no range",
    "id,attribute,value\n" + "".join(f"{k},b,{k}\n" for k in range(60)): "60 different values",
    "id,attribute,value\njump/a,b,c\njump/a.avi,b,d\n": "are both the video 'jump/a'",
    f"id,attribute,value\na,b,{'x' * 300}\n": "more than 200 characters",
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_table_is_one_line(tmp_path: Path, pair: tuple[list[Path], list[Path]], text: str) -> None:
    assert BAD[text] in refused(lambda: score(*pair, tmp_path / "out", slices=slices(tmp_path, text)))
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_none(tmp_path: Path, pair: tuple[list[Path], list[Path]]) -> None:
    assert "no such table of slices" in refused(lambda: score(*pair, slices=tmp_path / "none.csv"))
    message = refused(lambda: score(*pair, slices="pahmdb"))
    assert "neither a file nor a source of slices; choose from pa-hmdb51" in message
    assert "no such source of slices" in refused(lambda: score(*pair, slices="no-such:x.json"))
    same = [slices(tmp_path, TABLE), slices(tmp_path, TABLE, "t.csv")]
    assert "two sources have an attribute 'skin tone'" in refused(lambda: score(*pair, slices=same))


def test_a_group_of_a_swap_set_keeps_what_the_whole_set_is(tmp_path: Path) -> None:
    """Whether backgrounds are those of the same class is a property of the set, not of a group of it."""
    files = made(tmp_path / "b", {"jump/a": [1], "jump/b": [0]})
    s = benchmark_set(files[1])
    a, b = s.items
    mixed = replace(s, items=[replace(a, donor_label=0), replace(b, donor_label=1)])
    p = read_predictions(files[0], s.classes, s.labels)
    part, kept = restricted(mixed, p, {"jump/a__0": "x", "jump/b__0": "y"}, "x")
    assert [item.id for item in part.items] == kept.ids == ["jump/a__0"]
    assert not part.has_same_donors and not limited(mixed, 1).has_same_donors
    assert replace(mixed, items=mixed.items[:1]).has_same_donors


def planted(
    seed: int, sizes: dict[str, int], shares: dict[str, float], variants: int = 3
) -> dict[str, list[list[int]]]:
    """Outcomes per group and source video; videos of one source are alike in half of the cases."""
    rng = np.random.default_rng(seed)
    found: dict[str, list[list[int]]] = {}
    variants = 3
    for group, size in sizes.items():
        common = rng.random(size) < shares[group]
        own = rng.random((size, variants)) < shares[group]
        found[group] = np.where(rng.random((size, variants)) < 0.5, common[:, None], own).astype(int).tolist()
    return found


def test_a_planted_gap_is_found_with_an_interval_that_covers_it(tmp_path: Path) -> None:
    groups = planted(0, {"a": 120, "b": 80, "c": 100}, {"a": 0.8, "b": 0.4, "c": 0.75})
    right = {f"jump/{g}{k}": o for g, outcomes in groups.items() for k, o in enumerate(outcomes)}
    files = made(tmp_path / "b", right)
    text = "id,attribute,value\n" + "".join(f"{i},where,{i[5]}\n" for i in right)
    (where,) = score([files[0]], [files[1]], slices=slices(tmp_path, text)).record.slices
    gap = where.figures["avg_scuba"].gap
    assert gap is not None and (gap.largest, gap.smallest, where.figures["avg_scuba"].worst) == ("a", "b", "b")
    assert 0 < gap.low <= 40 <= gap.high < 100 and gap.low < gap.percent < gap.high


def test_the_command_line_shows_slices_and_the_report_has_them(
    tmp_path: Path, pair: tuple[list[Path], list[Path]]
) -> None:
    files, folders = pair
    table = slices(tmp_path, TABLE.replace("light", "<b>light"))
    done = bench("score", "--slices", table, *files, "--benchmark", *folders, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    text = done.stdout
    assert "skin tone (s.csv), percent" in text and "-slices.csv" in text and "-slices-not-used.csv" in text
    page = report([tmp_path / "out"], tmp_path / "r.html", gallery=0).read_text()
    assert "&lt;b&gt;light" in page and "<b>light" not in page
    assert 'href="#slices"' in page and "too few for conclusions" in page and "66.67" in page
