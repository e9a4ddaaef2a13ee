"""Several settings of one method in one comparison: how they are read, named and refused; what they cost."""

from pathlib import Path
from typing import Any

import pytest

from benchmark_builder.utils.errors import BenchError
from evaluator.compare_methods import Done, Job, costs, equal_baseline, plan
from evaluator.options import Sweep
from evaluator.variants import variant


@pytest.mark.parametrize(
    ("words", "name", "folder"),
    [
        (["albar"], "albar", "albar"),
        (["albar+stillmix"], "albar+stillmix", "albar+stillmix"),
        (["albar:ent=0,adv=2", "albar:adv=2.0,ent=0.0", "albar:adv=2e0,ent=0"],
         "albar:adv=2,ent=0", "albar.adv=2,ent=0"),
        (["albar:lr=1e-3", "albar:lr=0.001"], "albar:lr=0.001", "albar.lr=0.001"),
        (["albar:still=random,preset=finetune"],
         "albar:preset=finetune,still=random", "albar.preset=finetune,still=random"),
        (["my.own:Name:odd=../x"], "my.own.Name:odd=../x", "my.own.Name.odd=..-x"),
    ],
)  # fmt: skip
def test_one_variant_has_one_name_however_it_is_written(words: list[str], name: str, folder: str) -> None:
    for word in words:
        assert (variant(word).name, variant(word).folder) == (name, folder)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("magic:gp=0", "no such method"),
        ("albar:", "give NAME=VALUE"),
        ("albar:gp", "give NAME=VALUE"),
        ("albar:gp=0,", "give NAME=VALUE"),
        ("albar:gp=", "gp must be a number"),
        ("albar:gp=[1]", "gp must be a number"),
        ("albar:gp=0,gp=1", "a setting is given twice"),
        ("albar:still=" + "x" * 200, "longer than 120"),
    ],
)
def test_a_word_that_is_no_variant_is_told(word: str, said: str) -> None:
    with pytest.raises(BenchError, match=said):
        Sweep(methods=[word])


@pytest.mark.parametrize(
    ("methods", "said"),
    [
        (
            ["albar", "albar:gpp=0"],
            r"--methods albar:gpp=0: there is no setting gpp; albar has adv, .*a run has epochs",
        ),
        (["albar:gp=-1"], r"--methods albar:gp=-1: .*gp=-1: give a number, at least 0"),
        (["albar:stills=2.5"], "--methods albar:stills=2.5: .*whole number"),
        (["albar:epochs=0"], "--methods albar:epochs=0: --epochs 0: give a whole number from 1"),
        (["sdn:lr=1"], "lr is a setting of sdn and of its runs"),
        (["baseline", "baseline:epochs=3"], "--methods baseline:epochs=3: its runs are those of baseline"),
        (["albar:adv=1.5", "albar"], "--methods albar: its runs are those of albar:adv=1.5"),
    ],
)
def test_what_is_wrong_is_found_before_anything_trains(methods: list[str], said: str, tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=said):
        plan(Sweep(methods=methods, seeds=[0], out=tmp_path))


def test_a_variant_twice_is_told() -> None:
    with pytest.raises(BenchError, match="--methods albar:adv=2,ent=0: is given twice"):
        Sweep(methods=["albar:ent=0,adv=2", "albar", "albar:adv=2.0,ent=0"])


def test_variants_change_settings_of_the_method_and_of_its_runs(tmp_path: Path) -> None:
    sweep = Sweep(
        methods=["albar", "albar:ent=0,epochs=7", "albar:preset=finetune"],
        seeds=[4],
        training={"epochs": 2, "options": {"adv": 3.0}},
        by_method={"albar": {"lr": 0.5}},
        out=tmp_path,
    )
    _, runs = plan(sweep)
    assert [job.name for job in runs] == ["albar-s4", "albar.ent=0,epochs=7-s4", "albar.preset=finetune-s4"]
    plain, changed, published = (job.settings for job in runs)
    assert (plain.options, changed.options) == ({"adv": 3.0}, {"adv": 3.0, "ent": 0})
    assert [s.recipe.epochs for s in (plain, changed, published)] == [2, 7, 2]
    assert [s.preset_name for s in (plain, changed, published)] == ["scratch", "scratch", "finetune"]
    assert {s.lr for s in (plain, changed, published)} == {0.5}
    assert changed.folder == tmp_path / "runs" / "albar.ent=0,epochs=7-s4"


def finished(sweep: Sweep, *passes: tuple[float, float] | None) -> list[tuple[Job, Done]]:
    """What came of the runs of one seed, with their forward and backward clips; None: a run that failed."""
    done: list[tuple[Job, Done]] = []
    for job, found in zip(plan(sweep)[1], passes, strict=True):
        cost = dict(zip(("forward_clips", "backward_clips"), found, strict=True)) if found else {}
        done.append((job, Done(1.0, None if found else "no", {"method": job.variant}, cost=cost)))
    return done


def test_a_cost_is_relative_to_the_baseline_over_the_whole_run(tmp_path: Path) -> None:
    sweep = Sweep(methods=["albar", "baseline:epochs=12"], seeds=[0], training={"epochs": 3}, out=tmp_path)
    (albar, done), (longer, same) = finished(sweep, (2.5, 3.5), (1, 1))
    assert costs(albar, done, 3) == {"forward_clips": "2.5", "backward_clips": "3.5", "cost": "3.0"}
    assert costs(longer, same, 3)["cost"] == "4.0"
    assert costs(albar, Done(1.0), 3) == {}


@pytest.mark.parametrize(
    ("methods", "passes", "equal"),
    [
        (["baseline", "albar", "mixup"], [(1, 1), (2, 4), (1, 1)], "baseline:epochs=9"),
        (["baseline", "albar"], [(1, 1), (2, 2.1)], "baseline:epochs=7"),  # 6.15 epochs, rounded up
        (["albar:epochs=6"], [(1, 1)], "baseline:epochs=6"),
        (["baseline", "albar", "baseline:epochs=9"], [(1, 1), (2, 4), (1, 1)], None),  # it is there
        (["baseline", "mixup"], [(1, 1), (1, 1)], None),
        (["baseline", "albar"], [(1, 1), None], None),  # a run failed
    ],
)
def test_a_baseline_of_equal_cost(
    methods: list[str], passes: list[tuple[float, float] | None], equal: str | None, tmp_path: Path
) -> None:
    sweep, said = Sweep(methods=methods, seeds=[0], training={"epochs": 3}, out=tmp_path), list[Any]()
    added = equal_baseline(sweep, finished(sweep, *passes), said.append)
    assert (added.methods if added else None) == ((equal,) if equal else None)
    assert len(said) == 1
    if added:
        (job,) = plan(added)[1]
        assert job.settings.recipe.epochs == int(str(equal).partition("=")[2])
