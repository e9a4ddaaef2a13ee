"""How a folder of rendered videos is filled, resumed and checked, for every dataset that the toolkit renders."""

import shutil
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmark_builder.utils import runner
from benchmark_builder.utils.command_line import record_command
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import inside, read_json, write_json
from benchmark_builder.utils.journal import Entry, Journal
from benchmark_builder.utils.options import SettingsModel
from benchmark_builder.utils.pool import Item
from benchmark_builder.utils.resume import held
from benchmark_builder.utils.runner import Report
from benchmark_builder.video.encode import encoder_version

BEGUN = ".rendering.json"


class RenderedFolder(runner.Filling[Item]):
    """The part of the runner for rendering: the dataset's record and lists. A dataset with failures gets neither.

    An item has ``facts.id`` and ``row``, the paths of its files by the names in ``files``.

    Attributes:
        dataset: its name.
        record_name: the file with the record, written last, so the dataset is complete if it exists.
        usual: the model of its settings.
    """

    lock, journal = ".rendering.lock", ".rendering.jsonl"
    busy = "another render is at work here"
    dataset: str
    record_name: str
    usual: type[SettingsModel]

    def __init__(self, root: Path, maker: Any, record: dict[str, Any], videos: Sequence[Any]) -> None:
        self.out, self.maker, self._record, self._videos = root, maker, record, videos
        self._new = not root.exists()

    @abstractmethod
    def write_lists(self, items: Sequence[Any]) -> None:
        """Write everything but the record, of all videos of the dataset."""

    def name(self, item: Any) -> str:
        return str(item.facts.id)

    def claim(self) -> None:
        """Raise BenchError if the folder contains anything but this dataset; otherwise write its settings there."""
        root, record, fix = self.out, self._record, "give another --out, or delete the folder"
        for path in (root / self.record_name, root / BEGUN):
            if path.exists():
                found = read_json(path, "record of a render", fix)
                encoder = found.pop("encoder", None) if path.name == BEGUN and isinstance(found, dict) else None
                if found == record and (path.name != BEGUN or encoder == encoder_version()):
                    return
                if path.name == self.record_name or any((root / "videos").rglob("*.mp4")):
                    if found == record:
                        before = encoder or "an earlier version of this toolkit"
                        raise BenchError(
                            f"{path}: an unfinished render by {before}, this is {encoder_version()}, whose files "
                            f"differ; {fix}, or finish it with that version"
                        )
                    raise BenchError(f"{path}: rendered with other settings ({self._difference(found)}); {fix}")
                shutil.rmtree(root / "masks", ignore_errors=True)  # of a render that made no video
                break
        else:
            if others := held(root):
                raise BenchError(
                    f"{root}: holds files that are no render of {self.dataset} ({others[0]}); give an empty or a new "
                    "--out"
                )
        (root / self.journal).unlink(missing_ok=True)
        write_json(root / BEGUN, record | {"encoder": encoder_version()})

    def earlier(self) -> Iterator[Entry]:
        # Files with their final names are complete.
        for item in self._videos:
            if all((self.out / file).is_file() for file in item.row.values()):
                yield Entry(item.facts.id, "made", [item.row])

    def check_row(self, row: object) -> None:
        if not isinstance(row, dict) or row.keys() != set(self.files):
            raise BenchError(f"{self.out / self.journal}: not a line of a render; delete it")
        for file in row.values():
            inside(self.out, file)

    def finish(self, journal: Journal, items: Sequence[Any], made: int, changed: Sequence[str]) -> Report:
        root, failures = self.out, journal.failures((), ())
        journal.write_reasons()
        if failures:
            first = failures[0]
            raise BenchError(
                f"{root}: {len(failures)} of {len(items)} videos could not be rendered; {first['id']}: "
                f"{first['reason']}; run the same command again, the others are kept"
            )
        self.write_lists(self._videos)
        write_json(root / self.record_name, self._record)
        record_command(root / self.record_name)
        (root / BEGUN).unlink(missing_ok=True)
        (root / self.journal).unlink(missing_ok=True)
        return Report(root, made, len(items) - made, [])

    def tidy(self) -> None:
        if self._new and not any((self.out / name).exists() for name in (BEGUN, self.record_name)):
            (self.out / self.lock).unlink(missing_ok=True)

    def _difference(self, found: Any) -> str:
        """The settings in which a record differs from this render's, in words."""
        record = self._record
        there = found.get("settings") if isinstance(found, dict) else None
        if not isinstance(there, dict):
            return "its record is not readable"
        if found.get("dataset") != record["dataset"]:
            return f"of {found.get('dataset')}, not {record['dataset']}"
        here, usual = record["settings"], self.usual().model_dump()
        names = [k for k in usual if k in here or k in there]
        pairs = [(k, there.get(k, usual[k]), here.get(k, usual[k])) for k in names]
        differing = [f"{k} {was}, not {asked}" for k, was, asked in pairs if was != asked]
        return "; ".join(differing) or f"renderer revision {found.get('revision')}, not {record['revision']}"
