"""A plan runs from made copies of the official layouts to the table, and continues after a stop."""

from dataclasses import replace
from pathlib import Path

import pytest

from albar.data.scenes import places_network
from benchmark_builder.datasets import read_dataset
from benchmark_builder.masks import mask_source
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.text import read_table
from evaluator.papers.cost import gigabytes, measure
from evaluator.papers.needs import Places, look, missing
from evaluator.papers.plan import PaperPlan, plans, read_plan
from evaluator.papers.run import PaperRun, _claim, run_paper
from evaluator.papers.tiny import _places_network, make_copies


def rows_of(table: Path) -> list[dict[str, str]]:
    columns, rows = read_table(table, "table")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def tiny(name: str, data: Path, *without: str) -> tuple[PaperPlan, Places]:
    plan = read_plan(name).without(without).replaced(seeds=1)
    plan = plan.replaced(needs=tuple(need for need in plan.needs if need.kind != "torchvision"))
    return plan, Places(plan, make_copies(plan, data))


@pytest.mark.parametrize("name", plans())
def test_small_copies_are_read_like_the_official_datasets(name: str, tmp_path: Path) -> None:
    plan, places = tiny(name, tmp_path / "data", *(["sdn"] if name == "albar-hmdb51" else []))
    found = look(plan, places)
    assert missing(found) == []
    for dataset in {plan.dataset, plan.actors.dataset}:
        split = plan.actors.split if dataset == plan.actors.dataset else plan.test
        listing = read_dataset(dataset, places.root(dataset), split, plan.fold)
        assert (len(listing.videos), listing.left_out) == (8, [])
        assert len(read_dataset(dataset, places.root(dataset), "train").videos) == 16
    run = PaperRun(plan, tmp_path / "out", places, tiny=True)
    video = read_dataset(plan.actors.dataset, places.root(plan.actors.dataset), plan.actors.split).videos[0]
    spec = run.masks or {"jhmdb": "jhmdb"}[plan.actors.dataset]
    track = mask_source(spec, places.root(plan.actors.dataset)).track(video, 96, 128)
    assert track.covered.all()
    assert 0 < track.mask(0).mean() < 0.7


@pytest.mark.usefixtures("quick_workers")
def test_a_plan_runs_stops_and_continues(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left = ("inspect", "places365", "vqgan", "conflfg", "shaken", "stillmix", "albar+stillmix", "masks")
    known = [name for name in left if name in read_plan("albar-kinetics400").parts]
    plan, places = tiny("albar-kinetics400", tmp_path / "data", *known)
    run = PaperRun(
        plan, tmp_path / "out", places, tuple(known), tiny=True, workers=1, jobs=1, training={"device": "cpu"},
        progress=False,
    )  # fmt: skip
    said: list[str] = []

    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("evaluator.papers.run.compare_methods", stop)
        with pytest.raises(KeyboardInterrupt):
            run_paper(run, said.append)
    assert not (tmp_path / "out" / "paper.csv").exists()
    table = run_paper(run, said.append)
    rows = {(r["method"], r["figure"]): r for r in rows_of(table)}
    for method in ("baseline", "albar"):
        assert rows[method, "iid"]["n"] == "8"
        assert rows[method, "avg_scuba"]["n"] == "8"
        assert rows[method, "aras"]["mean"] != ""
    assert rows["albar", "aras"]["published"] == "59.79"
    assert (tmp_path / "out" / "report.html").is_file()
    before = table.read_bytes()
    said.clear()
    assert run_paper(run, said.append).read_bytes() == before
    # Every benchmark is named, and what several builds say is said once.
    assert [line for line in said if " of 2: " in line] == ["  1 of 2: stripes-scuba", "  2 of 2: stripes-scufo"]
    differs = [line for line in said if line.startswith("differs from protocol")]
    assert len(differs) == len(set(differs))
    for changed, other in (
        (
            PaperRun(plan.replaced(version=9), tmp_path / "out", places, tuple(known), tiny=True),
            r"version \(1 there, 9",
        ),
        (PaperRun(plan.without(["albar"]), tmp_path / "out", places, (*known, "albar"), tiny=True), "left_out"),
        (PaperRun(plan, tmp_path / "out", places, tuple(known), tiny=False), r"tiny \(True there, False here\)"),
    ):
        with pytest.raises(BenchError, match="belongs to a run with another " + other):
            _claim(changed)
    # More seeds continue a run, fewer do not: its report would show more runs than its table.
    again = PaperRun(plan, tmp_path / "out", places, (*known, known[0]), tiny=True)
    _claim(replace(again, plan=plan.replaced(seeds=2)))
    with pytest.raises(BenchError, match=r"seeds \(2 there, 1 here\)"):
        _claim(again)


def test_what_is_missing_is_named_before_any_work(tmp_path: Path) -> None:
    plan = read_plan("albar-hmdb51")
    run = PaperRun(plan, tmp_path / "out", Places(plan, {}))
    with pytest.raises(BenchError, match=r"albar-hmdb51: missing: hmdb51, jhmdb, .*--have hmdb51=PATH"):
        run_paper(run, print)
    assert not (tmp_path / "out").exists()


def test_steps_are_measured_and_space_is_computed() -> None:
    plan = read_plan("albar-hmdb51").without(["videomix", "be", "fame", "mixup", "sdn", "actorcutmix"])
    steps = {step.method: step for step in measure(plan, 3570, "cpu", tiny=True)}
    assert set(steps) == set(plan.methods)
    assert steps["baseline"].hours == pytest.approx(steps["baseline"].seconds / 2 * 3570 * 1 / 3600)
    # 268 videos x 5 variants x 3 background sets x 4 kinds x 34 frames.
    from evaluator.papers.cost import BYTES

    assert gigabytes(plan, [])["benchmarks"] == pytest.approx(268 * 5 * 3 * 4 * 34 * BYTES["frames"] / 1e9)


def test_the_small_networks_are_equal_files_every_time(tmp_path: Path) -> None:
    for name in ("a.pth", "b.pth"):
        _places_network(tmp_path / name)
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()
    places_network(tmp_path / "a.pth")
