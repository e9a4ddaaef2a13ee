"""Readable class names: every class of every label map that ships has one, and unknown names are split into words."""

import csv
import io
import re

import pytest

from benchmark_builder.datasets.common import shipped_classes
from benchmark_builder.datasets.readable import TABLES, readable, words
from benchmark_builder.synthactions import CLASSES
from manifests import resource


def rows(dataset: str) -> list[dict[str, str]]:
    text = resource("class_names", f"{dataset}.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def classes(dataset: str) -> list[str]:
    return list(CLASSES) if dataset == "synthactions" else shipped_classes(dataset)


def test_every_label_map_has_a_table() -> None:
    maps = {path.name.removesuffix(".txt") for path in resource("label_maps").iterdir()}
    assert maps | {"synthactions"} == set(TABLES)


@pytest.mark.parametrize("dataset", TABLES)
def test_table_is_complete(dataset: str) -> None:
    table = rows(dataset)
    assert [row["class"] for row in table] == classes(dataset)
    phrases = [row["readable"] for row in table]
    assert len(set(map(str.casefold, phrases))) == len(phrases)
    for phrase in phrases:
        # "a person is …": a phrase of plain words, one of the first three of which is a verb's -ing form
        assert re.fullmatch(r"[A-Za-z'-]+( [A-Za-z'-]+)*", phrase), phrase
        assert any(word.endswith("ing") for word in phrase.split()[:3]), phrase
    assert [readable(name, dataset) for name in classes(dataset)] == phrases


@pytest.mark.parametrize(
    ("name", "dataset", "phrase"),
    [
        ("draw_sword", "hmdb51", "drawing a sword"),
        ("draw_sword", "jhmdb", "drawing a sword"),
        ("ApplyEyeMakeup", "ucf101", "applying eye makeup"),
        ("APPLY eye_makeup", "", "applying eye makeup"),
        ("abseiling", "kinetics400", "abseiling"),
        ("massaging person s head", "mimetics", "massaging a person's head"),
        ("punch", "", "punching someone"),
        ("Punch", "ucf101", "punching in a boxing match"),
        ("punch", "hat-ucf101", "punching in a boxing match"),
        ("Punch", "my_gym", "punching someone"),
        ("HandStandPushups", "ucf101", "doing handstand push-ups"),
    ],
)
def test_tables_are_searched(name: str, dataset: str, phrase: str) -> None:
    assert readable(name, dataset) == phrase


@pytest.mark.parametrize(
    ("name", "phrase"),
    [
        ("OpenDrawer", "open drawer"),
        ("open_the-drawer", "open the drawer"),
        ("Pushing [something] from left to right", "pushing something from left to right"),
        ("readHTMLPage", "read html page"),
        ("Jump2Left", "jump2 left"),
        ("ÖffneTür", "öffne tür"),
        ("倒水", "倒水"),
        ("007", "007"),
        ("__", "__"),
        ("!?", "!?"),
        ("Über die Straße gehen", "über die straße gehen"),
    ],
)
def test_unknown_names_are_split(name: str, phrase: str) -> None:
    assert readable(name, "my_own_dataset") == phrase == words(name)
