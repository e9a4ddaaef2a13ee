"""Finds the SCUBA benchmark from which `bench build scufo` and `conflfg` start without --from."""

from collections.abc import Mapping
from pathlib import Path

from benchmark_builder.backgrounds import background_source
from benchmark_builder.benchmark.build import WORK
from benchmark_builder.benchmark.manifest import MANIFEST, places_of
from benchmark_builder.benchmark.protocol_record import read_protocol
from benchmark_builder.datasets import data_root
from benchmark_builder.protocols import kind_of, recorded_name, resolve
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.folders import subfolders
from benchmark_builder.utils.registry import safe_name

_DERIVED = ("layout", "jpeg_quality")  # settings that the new benchmark does not copy


def benchmark_folder(dataset: str, kind: str, background: str) -> Path:
    """The default folder of a benchmark: ``$BENCH_DATA/benchmarks/DATASET-KIND-BACKGROUND``."""
    return data_root() / "benchmarks" / f"{safe_name(dataset)}-{kind}-{background}"


def scuba_there(
    dataset: str,
    root: Path | None = None,
    split: str = "auto",
    fold: int = 1,
    *,
    protocol: str = "default",
    **chosen: object,
) -> Path | None:
    """The finished SCUBA benchmark of a dataset at its default place, with any settings; None if there is none.

    If nothing is built at the default place and no backgrounds are chosen, the dataset's benchmark with other
    backgrounds is used.

    Args:
        dataset, root, split, fold, protocol, chosen: as ``build_scuba`` takes them. Those that differ
            from their default are the user's wishes: what is there must fulfil them.

    Raises:
        BenchError: it was built with another setting than a chosen one, or there are several benchmarks.
    """
    settings, _ = resolve(protocol, dataset, chosen)
    name = background_source(settings.backgrounds, settings.fit, settings.grey).name
    folder = benchmark_folder(dataset, "scuba", name)
    if not (folder / MANIFEST).is_file():
        if chosen.get("backgrounds") is not None or (folder / WORK).is_dir():
            return None
        found = _others(dataset)
        if len(found) > 1:
            listed = ", ".join(map(str, found))
            raise BenchError(f"{dataset} has several SCUBA benchmarks ({listed}); name one of them with --from")
        if not found:
            return None
        folder = found[0]
    require_wishes(folder, root, split, fold, protocol=protocol, **chosen)
    return folder


def require_wishes(
    folder: Path,
    root: Path | None = None,
    split: str = "auto",
    fold: int = 1,
    *,
    protocol: str = "default",
    **chosen: object,
) -> None:
    """Raise BenchError if a SCUBA benchmark was built with another setting than one that the user chose now.

    Args:
        folder: the benchmark.
        root, split, fold, protocol, chosen: as in :func:`scuba_there`.

    Raises:
        BenchError: a setting differs, or ``folder`` is not a benchmark.
    """
    differs = _contradiction(folder, root, split, fold, protocol, chosen)
    if differs:
        raise BenchError(
            f"{folder}: the SCUBA benchmark to start from was built with another {differs}; leave out this option, or "
            "build a new one with `bench build scuba --out DIR` and name it with --from"
        )


def _others(dataset: str) -> list[Path]:
    """The finished SCUBA benchmarks of a dataset at their default places."""
    folder = data_root() / "benchmarks"
    if not folder.is_dir():
        return []
    found = []
    for path in subfolders(folder):
        if path.name.startswith(f"{safe_name(dataset)}-scuba-") and (path / MANIFEST).is_file():
            known = read_protocol(path, "delete the folder or build it again")
            if (known.kind, known.dataset) == ("scuba", safe_name(dataset)):
                found.append(path)
    return found


def _contradiction(
    folder: Path, root: Path | None, split: str, fold: int, protocol: str, chosen: Mapping[str, object]
) -> str:
    """The first chosen setting that differs from the build in ``folder``, in words; empty if none."""
    known = read_protocol(folder)
    name = known.protocol.name
    if protocol != "default" and recorded_name(protocol) != name:
        return f"--protocol ({name}, not {protocol})"
    if root is not None:
        before = next((p for p in places_of(folder, known.paths, "root") if p.is_dir()), None)
        if before is not None and before.resolve() != root.resolve():
            return f"--root ({before}, not {root})"
    built = known.split
    if split != "auto" and split not in built:
        return f"--split ({built}, not {split})"
    if fold != 1 and not built.endswith(str(fold)):
        return f"--fold ({built}, not {fold})"
    recorded = {
        **known.mask_settings.plain(),
        "per_video": known.per_video,
        "masks": known.masks.kind,
        "actors": known.masks.actors,
        "backgrounds": known.backgrounds.kind,
        "fit": known.backgrounds.fit,
        "grey": known.backgrounds.grey,
    }
    for key, value in chosen.items():
        if value is None or key in _DERIVED or recorded.get(key) is None:
            continue
        wished = kind_of(key, value)
        # A user's own part may have any name; the word that named it is recorded under "changed".
        if wished not in (recorded[key], known.protocol.changes.get(key, {}).get("here")):
            return f"--{key.replace('_', '-')} ({recorded[key]}, not {wished})"
    return ""
