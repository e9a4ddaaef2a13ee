"""Features of a frozen network, computed once per clip and stored in a folder, from which several runs can train.

One file per video: ``.npy`` with an axis for its clips before those of the features. A folder belongs to one network,
sampling and seed (:func:`feature_folder`); a file's name depends on the video's id and bytes, so a video that was
changed is computed again. A stopped run continues with the files that are missing.
"""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

from albar.clips.clips import ClipSampling, Cut, ShortVideo, assemble, eval_box, eval_indices, pick, train_cut
from albar.data.dataset import prepare_worker, started
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import read_json, remove_leftovers, whole_file, write_json
from benchmark_builder.utils.progress import Bar
from benchmark_builder.utils.registry import safe_name
from benchmark_builder.utils.resume import held, sole_run
from benchmark_builder.utils.rng import generator
from benchmark_builder.video.decode import Frames, read_frames
from benchmark_builder.video.digest_cache import known_digest
from benchmark_builder.video.random_access import shape
from benchmark_builder.video.record import Video

KEY = "key.json"
CLIPS_AT_ONCE = 16  # through the network
_FIX = "delete it; it is then computed again"

Compute = Callable[[torch.Tensor], torch.Tensor]  # clips uint8 (n, 3, T, S, S) -> features (n, …), on the CPU


@dataclass(frozen=True, slots=True)
class Wanted:
    """A video whose features are wanted: of ``clips`` training clips, or (0) of the test clip."""

    video: Video
    clips: int

    @property
    def count(self) -> int:
        """How many clips that are."""
        return max(self.clips, 1)


class CutVideos(Dataset["torch.Tensor | BenchError"]):
    """The clips of videos: ``dataset[k]`` is uint8 (clips, 3, T, S, S); every frame is decoded once.

    Training clip k is drawn as a training run with this seed draws that of epoch k. A video that cannot be decoded
    gives the BenchError itself.
    """

    def __init__(self, wanted: Sequence[Wanted], sampling: ClipSampling, seed: int) -> None:
        self.wanted, self.sampling, self.seed = list(wanted), sampling, seed

    def __len__(self) -> int:
        return len(self.wanted)

    def __getitem__(self, k: int) -> "torch.Tensor | BenchError":
        try:
            return self._clips(self.wanted[k])
        except BenchError as error:
            return BenchError(str(error))

    def _clips(self, one: Wanted) -> torch.Tensor:
        path = one.video.path
        frames = read_frames(path)
        count, height, width = shape(frames if isinstance(frames, Frames) else path)
        cuts = self._cuts(one, count, height, width)
        try:
            found = pick(frames, np.concatenate([cut.indices for cut in cuts]))
        except ShortVideo as short:  # the header promised more: draw again from what there is
            cuts = self._cuts(one, short.count, height, width)
            found = pick(read_frames(path), np.concatenate([cut.indices for cut in cuts]))
        return torch.stack([assemble({int(i): found[int(i)] for i in c.indices}, c, self.sampling.size) for c in cuts])

    def _cuts(self, one: Wanted, frames: int, height: int, width: int) -> list[Cut]:
        s = self.sampling
        if not one.clips:
            return [Cut(eval_indices(frames, s), eval_box(height, width, s), False)]
        draws = (generator(self.seed, one.video.id, f"epoch/{k}") for k in range(one.clips))
        return [train_cut(frames, height, width, s, draw) for draw in draws]


def network_digest(network: nn.Module, but: str) -> str:
    """SHA-256, hex, of a network's tensors by name, without those whose names start with ``but``."""
    total = hashlib.sha256()
    for name, value in sorted(network.state_dict().items()):
        if not name.startswith(but):
            total.update(f"{name} {value.dtype} {tuple(value.shape)}\n".encode())
            total.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def feature_folder(place: Path, name: str, key: Mapping[str, object]) -> Path:
    """The folder below ``place`` for features of this key: all that determines them except the videos."""
    return place / f"{safe_name(name)}-{_digest(key)[:12]}"


class Features:
    """Stored features of some videos, read as training needs them.

    Attributes:
        shape: of the features of one clip.
    """

    def __init__(self, paths: Sequence[Path], counts: Sequence[int], limit_mb: int) -> None:
        """paths, counts: file and number of clips of each video, all with one shape; at most ``limit_mb`` are kept in
        memory, otherwise they are read from the files again and again.

        Raises:
            BenchError: a file is damaged, or not one of features.
        """
        self.paths, self.counts = list(paths), list(counts)
        self.shape = self._read(0).shape[1:]
        size = sum(self.counts) * int(np.prod(self.shape)) * self._read(0).itemsize
        self._kept = [np.array(self._read(k)) for k in range(len(self.paths))] if size <= limit_mb * 2**20 else None

    def __len__(self) -> int:
        return len(self.paths)

    def batch(self, videos: Sequence[int], clip: int) -> torch.Tensor:
        """float32 (videos, *shape): of each of these videos clip number ``clip`` modulo its clips."""
        rows = self._kept if self._kept is not None else {k: self._read(k) for k in videos}
        return torch.from_numpy(np.stack([rows[k][clip % self.counts[k]] for k in videos])).float()

    def parts(self, videos: int) -> Iterator[torch.Tensor]:
        """All clips of all videos, ``videos`` at once: float32 (n, *shape)."""
        for first in range(0, len(self), videos):
            several = range(first, min(first + videos, len(self)))
            rows = self._kept if self._kept is not None else {k: self._read(k) for k in several}
            yield torch.from_numpy(np.concatenate([rows[k] for k in several])).float()

    def _read(self, k: int) -> np.ndarray:
        made = _load(self.paths[k])
        if made is None or len(made) != self.counts[k] or made.shape[1:] != getattr(self, "shape", made.shape[1:]):
            raise BenchError(f"{self.paths[k]}: not the features of {self.counts[k]} clips; {_FIX}")
        return made


class FeatureStore:
    """A folder of features."""

    def __init__(self, folder: Path, key: Mapping[str, object]) -> None:
        """folder: from :func:`feature_folder` with this ``key``."""
        self.folder, self.key = folder, dict(key)

    def path(self, wanted: Wanted) -> Path:
        """The file with the features of a video; it may not exist yet."""
        said = [wanted.video.id, known_digest(wanted.video.path), wanted.clips]
        return self.folder / f"{_digest(said)}.npy"

    def fill(
        self, wanted: Sequence[Wanted], clips: CutVideos, compute: Compute, half: bool, workers: int, progress: bool
    ) -> tuple[list[Path], int]:
        """Compute and write what is missing.

        Videos are taken together in fixed groups: sums in a network can depend on what else is in its batch, and a
        stopped run must give the features of one that was not.

        Args:
            wanted: the videos; ``clips`` cuts them.
            compute: the network.
            half: store float16 instead of float32.
            workers: decoding processes, 0 for none.

        Returns:
            The file of each video, and how many of them had to be computed.

        Raises:
            BenchError: a video cannot be decoded, the features are not finite, or they do not fit on the disk.
        """
        with sole_run(self.folder, self.folder / ".lock", "another run is writing features here"):
            self._claim()
            paths = [self.path(one) for one in Bar(wanted, desc="digests", unit="video", disable=not progress)]
            missing = {k for k, path in enumerate(paths) if not path.is_file()}
            todo = [group for group in _groups(wanted) if missing & set(group)]
            loader = DataLoader(
                clips, batch_sampler=todo, num_workers=workers, collate_fn=list, worker_init_fn=prepare_worker
            )
            left = len(missing)
            with Bar(total=left, desc="features", unit="video", disable=not progress) as bar:
                for group, cut in zip(todo, started(loader), strict=True):
                    broken = next((c for c in cut if isinstance(c, BenchError)), None)
                    if broken is not None:
                        raise broken
                    made = torch.cat([compute(part) for part in torch.cat(cut).split(CLIPS_AT_ONCE)])
                    for k, features in zip(group, made.split([wanted[k].count for k in group]), strict=True):
                        if k in missing:
                            self._write(paths[k], features, half, left, wanted[k].video.id)
                            left -= 1
                            bar.update()
        return paths, len(missing)

    def _claim(self) -> None:
        path = self.folder / KEY
        if path.exists():
            found = read_json(path, "key of features", f"delete {self.folder}")
            if found != json.loads(json.dumps(self.key)):
                raise BenchError(f"{self.folder}: holds features of another network or sampling; delete it")
        elif others := held(self.folder):
            raise BenchError(f"{self.folder}: not a folder of features ({others[0]}); choose another --features")
        else:
            write_json(path, self.key)
        remove_leftovers(self.folder)

    def _write(self, path: Path, features: torch.Tensor, half: bool, left: int, name: str) -> None:
        values = features.to(torch.float16 if half else torch.float32).numpy()
        if not np.isfinite(values).all():
            large = "too large for float16" if bool(features.isfinite().all()) else "not finite"
            raise BenchError(f"features of {name} are {large}; check the weights of the network")
        free = shutil.disk_usage(self.folder).free
        if values.nbytes * left > free:
            raise BenchError(
                f"{self.folder}: features of {left} videos need {values.nbytes * left / 2**30:.1f} GiB, "
                f"{free / 2**30:.1f} GiB are free; give --features on another disk, lower --set clips=, or take "
                "--set head=linear"
            )
        with whole_file(path) as temporary:
            np.save(temporary, values, allow_pickle=False)


def _groups(wanted: Sequence[Wanted]) -> list[list[int]]:
    """Places of the videos that go through the network together: up to :data:`CLIPS_AT_ONCE` clips, or one video."""
    groups: list[list[int]] = []
    clips = CLIPS_AT_ONCE
    for k, one in enumerate(wanted):
        if clips + one.count > CLIPS_AT_ONCE:
            groups.append([])
            clips = 0
        groups[-1].append(k)
        clips += one.count
    return groups


def _load(path: Path) -> np.ndarray | None:
    """Features, not yet in memory; None if the file is not one."""
    try:
        made = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    usable = isinstance(made, np.ndarray) and made.ndim > 1 and made.dtype in (np.float16, np.float32)
    return made if usable else None


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
