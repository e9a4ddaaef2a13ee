"""Where the data of a run are, in its folder: data.json and validation.txt. Neither is part of a checkpoint, whose
bytes do not depend on where files are."""

from collections.abc import Sequence
from pathlib import Path

from albar.training.settings import TrainSettings
from benchmark_builder.benchmark.manifest import paths_from, places_of
from benchmark_builder.datasets import dataset_root
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, whole_file, write_json

PLACES, VALIDATION_IDS = "data.json", "validation.txt"
FORMAT = 1


def write_places(folder: Path, settings: TrainSettings, validation: Sequence[str]) -> None:
    """Write data.json: the dataset and its folder; and validation.txt: the ids of the videos that were drawn for
    validation, which ``--subset`` takes.

    Args:
        folder: the run's folder.
        settings: the run's settings.
        validation: the ids; no file is written if there are none.
    """
    root = dataset_root(settings.dataset, settings.root)
    write_json(folder / PLACES, {
        "format": FORMAT,
        "dataset": settings.dataset,
        **({"name": settings.name} if settings.name else {}),
        "given": settings.root is not None,
        "paths": paths_from(folder, root=root),
    })  # fmt: skip
    if validation:
        with whole_file(folder / VALIDATION_IDS) as temporary:
            temporary.write_text("".join(f"{one}\n" for one in validation), encoding="utf-8")


def data_places(folder: Path) -> tuple[list[Path], bool]:
    """The folders in which the data of the run in ``folder`` may be, and whether the user had given one (else it was
    the usual place). Empty if no run of this version is there, or its data.json is damaged: it is a help, no more."""
    path = folder / PLACES
    if not path.is_file():
        return [], False
    try:
        said = read_json(path, "places of a run's data", "delete it")
    except BenchError:
        return [], False
    paths = said.get("paths") if isinstance(said, dict) else None
    if not isinstance(paths, dict) or not all(isinstance(v, str) and "\0" not in v for v in paths.values()):
        return [], False
    return places_of(folder, paths, "root"), bool(said.get("given"))
