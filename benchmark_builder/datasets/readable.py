"""Class names as phrases that can be read in a sentence: ``draw_sword`` → "drawing a sword".

``manifests/class_names/DATASET.csv`` (columns ``class,readable``) has a phrase for every class of HMDB51, UCF101,
Kinetics-400 and synthactions. Every phrase can follow "a person is": models that compare videos with texts, and
questions on videos, need that.
"""

import csv
import functools
import io
import re

from benchmark_builder.datasets import classes_of, scored_as
from benchmark_builder.utils.text import letters
from manifests import resource

# Datasets with a table; a class of a dataset without one is searched in them in this order.
TABLES = ("hmdb51", "ucf101", "kinetics400", "synthactions")
# Where a word of a name such as ApplyEyeMakeup or HTMLPage starts.
_HUMP = re.compile(r"(?<=[^\W\d_A-Z])(?=[A-Z])|(?<=[A-Z\d])(?=[A-Z][^\W\d_A-Z])")


def readable(name: str, dataset: str = "") -> str:
    """A class name as a phrase.

    Args:
        name: the name of a class; compared with the tables by letters and digits, ignoring case, blanks and
            punctuation (:func:`~benchmark_builder.utils.text.letters`).
        dataset: whose class it is. The same name can mean different actions: UCF101's ``Punch`` is boxing, HMDB51's
            ``punch`` is not. Empty or without a table: all tables are searched.

    Returns:
        The phrase in the table; for a class that is in none, the name's words: ``CamelCase``, ``snake_case`` and
        ``kebab-case`` become separate words in lower case. Never empty unless ``name`` is.
    """
    key, own = letters(name), classes_of(scored_as(dataset))
    if key:
        for table in sorted(TABLES, key=lambda t: t != own):  # stable: the dataset's own one first
            if key in _table(table):
                return _table(table)[key]
    return words(name)


def words(name: str) -> str:
    """The words of a name in lower case, without a table: ``OpenDoor``, ``open_door`` and ``open-door`` → "open door".

    Square brackets, which mark objects in Something-Something's names, are removed. Never empty unless ``name`` is.
    """
    text = _HUMP.sub(" ", re.sub(r"[_\-\[\]\s]+", " ", name)).strip().lower()
    return re.sub(r" +", " ", text) or name.strip() or name


@functools.cache
def _table(dataset: str) -> dict[str, str]:
    """Letters of a class name -> its phrase."""
    text = resource("class_names", f"{dataset}.csv").read_text(encoding="utf-8")
    return {letters(row["class"]): row["readable"] for row in csv.DictReader(io.StringIO(text))}
