"""What a model was trained on: read from its files, said as unknown, stored in records and shown."""

from pathlib import Path

import pytest

from evaluator.records import ResultsRecord
from evaluator.reports.board import board, trained_on
from evaluator.reports.leaderboard import as_text, row_of
from evaluator.training_data import UNKNOWN, of_folder, of_published, of_run, recipe_of
from manifests import resource


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"split": "train", "fold": 1, "weights": None, "limit": None}, "hmdb51 (train)"),
        ({"split": "train", "fold": 2, "limit": 40}, "hmdb51 (train, split 2, 40 videos)"),
        ({"split": "train", "weights": "KINETICS400_V1"}, "Kinetics-400, then hmdb51 (train)"),
        ({"split": "train", "weights": "a.pth", "weights_sha256": "00"}, "a.pth (unknown), then hmdb51 (train)"),
        ({"split": "train", "weights": "KINETICS400_V1", "weights_sha256": "00"},  # a file of that name
         "KINETICS400_V1 (unknown), then hmdb51 (train)"),
        ({"split": "train", "weights": "pretrained", "model": "hf:a/b", "model_sha256": "00"},
         "hf:a/b (unknown), then hmdb51 (train)"),
        ({"split": "train", "subset": {"file": "f.json", "name": "half"}}, "hmdb51 (train, subset half)"),
        ({"split": "train", "weights": "model.ckpt", "weights_sha256": "00", "started_from":
          {"dataset": "ucf101", "settings": {"split": "train", "weights": "KINETICS400_V1"}}},
         "Kinetics-400, then ucf101 (train), then hmdb51 (train)"),
        ({"weights": "model.ckpt", "started_from": {"dataset": 3, "settings": []}},
         "model.ckpt (unknown), then hmdb51"),
        ({}, "hmdb51"),  # written by an older version
        ({"split": 3, "fold": "x", "limit": [], "weights": 7, "subset": "y"}, "hmdb51"),
    ],
)  # fmt: skip
def test_a_checkpoint_says_its_dataset_and_where_it_started(settings: dict[str, object], text: str) -> None:
    assert of_run("hmdb51", settings) == text


def test_a_strangers_chain_of_runs_ends() -> None:
    chain: dict[str, object] = {"weights": "last.ckpt"}
    for _ in range(5000):
        chain = {"weights": "a.ckpt", "started_from": {"dataset": "x", "settings": chain}}
    assert of_run("hmdb51", chain) == "a.ckpt (unknown), then " + "x, then " * 8 + "hmdb51"


def test_names_of_published_weights() -> None:
    assert of_published("KINETICS400_V1") == "Kinetics-400"
    assert of_published("KINETICS400_IMAGENET22K_V1") == "ImageNet-22k, then Kinetics-400"
    assert of_published("DEFAULT") == of_published("/x/kinetics400.pth") == UNKNOWN


def card(folder: Path, text: str) -> Path:
    (folder / "README.md").write_text(text)
    return folder


def test_a_model_card_names_its_data_sets(tmp_path: Path) -> None:
    assert of_folder(card(tmp_path, "---\ndatasets:\n- kinetics400\n- ssv2\nlicense: mit\n---\n# Hi"), None) == (
        "kinetics400, ssv2"
    )
    assert of_folder(card(tmp_path, "---\r\ndatasets: ucf101\r\n---\r\n"), ["a"]) == "ucf101"
    many = "".join(f"- d{k}\n" for k in range(9))
    assert of_folder(card(tmp_path, f"---\ndatasets:\n{many}---\n"), None) == "d0, d1, d2, d3, d4, d5 and 3 more"


@pytest.mark.parametrize(
    "text",
    ["", "# No header", "---\nlicense: mit\n---\n", "---\n- a list\n---\n", "---\ndatasets: {a: b}\n---\n",
     "---\ndatasets: [[x], {y: z}]\n---\n", "---\n[[[[\n---\n",
     "---\ndatasets: !!python/object/apply:os.abort []\n---\n",
     f"---\n{'[' * 5000}\n---\n", "---\ndatasets:\n- kinetics400\n"],
)  # fmt: skip
def test_a_card_that_says_nothing_or_nonsense_is_unknown(tmp_path: Path, text: str) -> None:
    assert of_folder(card(tmp_path, text), None) == UNKNOWN


def test_class_names_alone_are_a_hint_and_no_more(tmp_path: Path) -> None:
    names = resource("label_maps", "hmdb51.txt").read_text().split()
    assert of_folder(tmp_path, [name.replace("_", " ").upper() for name in names]) == "unknown; classes of hmdb51"
    assert of_folder(tmp_path, names[1:]) == UNKNOWN


def record(method: str, **more: object) -> ResultsRecord:
    top1 = {"percent": 50.0, "n": 2, "missing": 0, "low": None, "high": None}
    said = {
        "format": 1, "dataset": "hmdb51", "method": method, "model": "m", "figures": {"iid": top1},
        "sets": [{"name": "hmdb51-iid", "digest": "0" * 64, "built_by": "", "kind": "iid", "split": "test",
                  "backgrounds": "", "top1": top1}],
    } | more  # fmt: skip
    return ResultsRecord.made(said, "record.json")


def test_old_records_have_none_and_are_shown_as_unknown() -> None:
    old, new = as_text(row_of(record("old"))), as_text(row_of(record("new", trained_on="Kinetics-400")))
    assert (old["trained_on"], new["trained_on"]) == ("", "Kinetics-400")
    table = board([old, new])
    at = [column.heading for column in table.columns].index("Trained on")
    assert [row[at].text for row in table.rows] == [UNKNOWN, "Kinetics-400"]
    long = board([old, new | {"trained_on": "Kinetics-400, then hmdb51 (train)"}])
    assert "Trained on B: Kinetics-400, then hmdb51 (train)." in long.notes
    same = board([new, new])
    assert "Trained on" not in [column.heading for column in same.columns]
    assert "Trained on: Kinetics-400." in same.notes
    assert trained_on({**old, "manifests": "published=published-x"}) == ""


def test_the_recipe_is_all_but_what_the_seed_decides() -> None:
    one: dict[str, object] = {
        "preset": "scratch", "recipe": {"epochs": 6, "batch": 32, "lr": 0.05},
        "method_settings": {"adv": 1.0, "x": [1]},
        "seed": 0, "training_videos": "a", "validation_videos": "b", "beside": {"bank": 5, "scores_sha256": "c"},
    }  # fmt: skip
    told = recipe_of(one)
    assert told.startswith("preset=scratch; epochs=6; batch=32; lr=0.05; adv=1.0; #")
    assert recipe_of(one | {"seed": 1, "training_videos": "z", "beside": {"bank": 5, "scores_sha256": "d"}}) == told
    assert recipe_of(one | {"method_settings": {"adv": 1.0, "x": [2]}}) != told
    odd = {"preset": "a; b", "recipe": "x", "method_settings": {"n": "y" * 999}, "weights": object()}
    assert recipe_of(odd) == "" and len(recipe_of({**odd, "weights": None})) < 120
