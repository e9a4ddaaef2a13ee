"""TorchScript and torch.export (.pt2) files: these are programs, not only weights, so they run only on request.

A TorchScript file is a program. torch.export.load unpickles objects that it cannot store in another way
(``torch.load(weights_only=False)`` and ``pickle.loads`` in torch/export/pt2_archive/_package.py), so it can run any
code. Therefore both need ``--trust``; without it, only the names in the archive are read.
"""

import zipfile
from pathlib import Path

import torch

from benchmark_builder.utils.errors import BenchError
from benchmark_builder.utils.files import sha256_file
from evaluator.models.base import Network, ScoredModel

SCRIPT, EXPORT = "torchscript", "torch.export"


def kind_of(path: Path) -> str | None:
    """``torchscript``, ``torch.export`` or None, judged by the names in the archive; no content is read."""
    if path.suffix == ".pt2":
        return EXPORT
    try:
        with zipfile.ZipFile(path) as archive:
            parts = [name.split("/") for name in archive.namelist()]
    except (OSError, zipfile.BadZipFile):
        return None
    if any("archive_format" in p or p[-1].startswith("serialized_exported_program") for p in parts):
        return EXPORT
    return SCRIPT if any(p[1:] == ["constants.pkl"] or p[1:2] == ["code"] for p in parts) else None


def load(path: Path, kind: str, trust: bool) -> ScoredModel:
    """A file that contains a program.

    Raises:
        BenchError: the file is not trusted, or damaged.
    """
    if not trust:
        raise BenchError(
            f"{path}: a {kind} file can run its author's code when it is opened; if you trust its origin, give --trust"
        )

    def network(device: torch.device) -> Network:
        try:
            return _script(path, device) if kind == SCRIPT else _export(path, device)
        except BenchError:
            raise
        except Exception as error:  # a damaged file can raise any exception
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise BenchError(f"{path}: not a readable {kind} file ({reason}); save it again") from None

    return ScoredModel(
        source=str(path), kind=kind, method=path.stem, model=kind, digest=sha256_file(path), sampling=None,
        network=network, notes=("the file contains no class names: its outputs are assumed to have the benchmark's "
                                "label order",),
    )  # fmt: skip


def _script(path: Path, device: torch.device) -> Network:
    network: Network = torch.jit.load(str(path), map_location=device).eval()
    return network


def _export(path: Path, device: torch.device) -> Network:
    from torch.export.passes import move_to_device_pass

    program = torch.export.load(path)
    graph = next(node for node in program.graph.nodes if node.name == program.graph_signature.user_inputs[0])
    size = graph.meta["val"].shape[0]
    run: Network = move_to_device_pass(program, device).module()
    return _fixed(run, size) if isinstance(size, int) else run


def _fixed(run: Network, size: int) -> Network:
    """A program exported only for batches of ``size`` clips: other batches are split, and the last is filled with
    zeros."""

    def network(clips: torch.Tensor) -> torch.Tensor:
        parts = []
        for part in clips.split(size):
            filled = torch.cat([part, part.new_zeros(size - len(part), *part.shape[1:])])
            parts.append(run(filled)[: len(part)])
        return torch.cat(parts)

    return network
