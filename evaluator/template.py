"""`bench score --template`: a table of the videos of a test set, to be filled in with a model's answers."""

from pathlib import Path

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import write_csv
from evaluator.testsets import TestSet

COLUMNS = ["id", "file", "pred"]
CLASS_COLUMNS = ["number", "class"]


def write_template(s: TestSet, path: Path | None = None) -> tuple[Path, Path]:
    """Write a row per video with an empty column ``pred``, and alongside the names and numbers of the classes.

    Args:
        s: the test set.
        path: the csv file to write; None: ``NAME-answers.csv`` in the current folder.

    Returns:
        The table (id, file, pred; files relative to the benchmark's folder, those of a dataset as they are found), and
        ``NAME-classes.csv`` (number, class).

    Raises:
        BenchError: a file exists already, which may hold answers; or the path has another suffix than ``.csv``.
    """
    path = Path(f"{s.name}-answers.csv") if path is None else path
    if path.suffix.lower() != ".csv":
        raise BenchError(f"{path}: a template is a csv file; give it a name that ends in .csv")
    classes = path.with_name(f"{path.stem.removesuffix('-answers')}-classes.csv")
    for old in (path, classes):
        if old.exists() or old.is_symlink():
            raise BenchError(f"{old}: exists already and may hold answers; move it, or give another name")
    folder = None if s.benchmark is None else s.benchmark.videos
    rows = []
    for item in s.items:
        inside = folder is not None and item.path.is_relative_to(folder)
        file = item.path.relative_to(folder) if inside and folder is not None else item.path
        rows.append({"id": item.id, "file": file.as_posix()})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(classes, CLASS_COLUMNS, [{"number": k, "class": name} for k, name in enumerate(s.classes)])
    write_csv(path, COLUMNS, rows)
    return path, classes
