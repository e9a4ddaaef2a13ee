"""Which figures are compared: those of the same videos, figure by figure."""

import hashlib

import pytest

from evaluator.records import ResultsRecord
from evaluator.reports.comparable import baseline_figures, unclear_baselines, video_groups
from evaluator.reports.leaderboard import as_text, figure_videos, row_of

SETS = {"iid": "1", "scuba": "2", "scufo": "3", "conflfg": "4"}


def row(method: str = "albar", sets: dict[str, str] | None = None, told: bool = True, **more: object) -> dict[str, str]:
    """A row of sets (kind -> a letter for its videos); not ``told``: as an older version wrote it."""
    sets = SETS if sets is None else sets
    top1 = {"percent": 50.0, "n": 10, "missing": 0, "low": 45.0, "high": 55.0}
    figures = {{"iid": "iid", "conflfg": "conflfg"}.get(kind.split(".")[0], f"avg_{kind.split('.')[0]}"): top1
               for kind in sets}  # fmt: skip
    pairs = []
    if {"scuba", "scufo"} <= set(sets):
        figures["contra_acc"] = top1
        pairs = [{"scuba": "h-scuba", "scufo": "h-scufo", "contra_acc": top1}]
    said = {
        "format": 1, "dataset": "h", "method": method, "model": "m", "split": "test", "figures": figures,
        "pairs": pairs, "checkpoint_sha256": hashlib.sha256(repr((method, sets, more)).encode()).hexdigest(),
        "sets": [{"name": f"h-{kind.replace('.', '-')}", "digest": hashlib.sha256(letter.encode()).hexdigest(),
                  "built_by": "", "kind": kind.split(".")[0], "split": "test", "backgrounds": "", "top1": top1}
                 for kind, letter in sets.items()],
    } | {k: v for k, v in more.items() if k in ("recipe", "protocol", "trained_on", "seed")}  # fmt: skip
    made = as_text(row_of(ResultsRecord.made(said, "r.json")))
    made |= {k: str(v) for k, v in more.items()}
    return made | ({} if told else {"figure_videos": ""})


@pytest.mark.parametrize("told", [True, False])
def test_a_row_without_one_set_is_comparable_on_the_others(told: bool) -> None:
    fewer = {k: v for k, v in SETS.items() if k != "conflfg"}
    rows = [row(told=told), row("b", fewer, told=told), row("c", SETS | {"conflfg": "5", "scufo": "6"}, told=told)]
    assert video_groups(rows, "avg_scuba") == video_groups(rows, "iid") == [0, 0, 0]
    assert video_groups(rows, "conflfg") == [0, None, 1]
    assert video_groups(rows, "avg_scufo") == video_groups(rows, "contra_acc") == [0, 0, 1]


def test_old_rows_whose_names_say_nothing_are_compared_where_it_follows_from_numbers() -> None:
    def unnamed(made: dict[str, str]) -> dict[str, str]:
        return made | {"figure_videos": "", "manifests": made["manifests"].replace("h-", "set of ").replace("iid", "")}

    full = unnamed(row())
    assert figure_videos(full) == {}
    fewer = unnamed(row("b", {k: v for k, v in SETS.items() if k != "conflfg"}))
    another = unnamed(row("c", SETS | {"conflfg": "5"}))
    # All sets of `fewer` are in `full`, and SCUBA is of as many videos. `another` may have the other SCUBA.
    assert video_groups([full, fewer, another], "avg_scuba") == [0, 0, 0]  # through `fewer`, whose sets both have
    assert video_groups([full, another], "avg_scuba") == [0, 1]
    assert video_groups([full, fewer | {"n_avg_scuba": "9"}], "avg_scuba") == [0, 1]  # fewer videos: another set more
    assert video_groups([full, fewer | {"n_avg_scuba": "9", "missing_avg_scuba": "1"}], "avg_scuba") == [0, 0]


def test_two_background_sets_are_not_compared_with_one() -> None:
    rows = [row(), row("b", SETS | {"scuba.other": "7"})]
    assert video_groups(rows, "avg_scuba") == [0, 1] and video_groups(rows, "conflfg") == [0, 0]


def test_the_change_is_stated_figure_by_figure() -> None:
    base = row("baseline") | {"avg_scuba": "40.0", "conflfg": "30.0"}
    other = row("albar", SETS | {"conflfg": "5"})
    (_, against) = baseline_figures([base, other])
    assert against["avg_scuba"] == 40.0 and "conflfg" not in against
    assert baseline_figures([base, other], ["albar"])[0]["avg_scuba"] == 50.0


def test_baselines_of_other_clips_or_recipes_are_not_mixed() -> None:
    mine = row(protocol="8x2", recipe="epochs=6; #1")
    near, far = row("baseline", protocol="8x2", recipe="a"), row("baseline", protocol="32x2", recipe="a", iid=90.0)
    assert baseline_figures([mine, near, far])[0]["iid"] == 50.0
    assert not unclear_baselines([mine, near, far])
    twice = [mine, near, row("baseline", protocol="8x2", recipe="b", iid=90.0)]
    assert baseline_figures(twice)[0] == {} and unclear_baselines(twice)
    seeds = [mine, near, row("baseline", protocol="8x2", recipe="a", iid=90.0)]
    assert baseline_figures(seeds)[0]["iid"] == 70.0
