"""Ends a command at its n-th file system operation, for n = 1, 2, …; starts it again; compares with a full run.

    python tests/kill_everywhere.py SCENARIO FOLDER FIRST STRIDE [HOW]

HOW: ``kill`` (at once, nothing is deleted), ``interrupt`` (Ctrl-C) or ``full`` (the disk refuses that operation).
It tries the first FIRST operations and every STRIDE-th of the others. A process that has loaded everything is forked
for each, so one try takes milliseconds. It prints a line of JSON: the number of operations, the number of tries, and
the error for each try that ended differently from a run without kill.
"""

import errno
import json
import os
import shutil
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tiny_index

from benchmark_builder import builders as recipes
from benchmark_builder import segment
from benchmark_builder.audit.verify import verify
from benchmark_builder.backgrounds import generate
from benchmark_builder.backgrounds.pipeline import PipelineFolder
from benchmark_builder.benchmark import export, merge, questions
from benchmark_builder.export_iid import export_dataset
from benchmark_builder.layouts import layout as layouts
from benchmark_builder.masks.stored import write_masks
from benchmark_builder.pretrained import NETWORKS, store, wheels
from benchmark_builder.publishing.publish import publish_benchmark
from benchmark_builder.publishing.rebuild import rebuild
from benchmark_builder.settings import PublishSettings, RebuildSettings
from benchmark_builder.synthactions import SynthSettings, render_dataset
from benchmark_builder.synthlong import SynthLongSettings, render_synthlong
from benchmark_builder.utils import runner
from benchmark_builder.utils.errors import BenchError
from benchmark_builder.video.encode import FFV1, open_video

QUIET = recipes.Run(1, False, lambda line: None)
KILLED = 9
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND


def dataset(folder: Path) -> Path:
    """Two tiny videos of two classes, with masks."""
    root = folder / "ucf"
    for k, name in enumerate(("Archery", "Basketball")):
        stem = f"{name}/v_{name}_g01_c01"
        frames = np.random.default_rng(k).integers(0, 256, (3, 16, 24, 3), dtype=np.uint8)
        masks = np.zeros((3, 16, 24), bool)
        masks[:, 4:12, 4 + k : 14] = True
        with open_video(root / "videos" / f"{stem}.mkv", 24, 16, 10.0, FFV1) as encoder:
            for frame in frames:
                encoder.write(frame)
        write_masks(root / "masks" / f"{stem}.zip", masks)
    return root


def scuba(root: Path, out: Path, layout: str = "virtual", **options: object) -> None:
    masks = f"stored:{root / 'masks'}"
    recipes.build_scuba("ucf101", root, "all", masks=masks, per_video=1, layout=layout, out=out, run=QUIET, **options)  # type: ignore[arg-type]


class Scenario:
    """One test: ``start`` makes the folder as before the command (or leaves it missing), ``run`` is the command."""

    def __init__(self, folder: Path) -> None:
        self.root = dataset(folder)
        self.folder = folder

    def start(self, out: Path) -> None:
        pass

    def run(self, out: Path) -> None:
        raise NotImplementedError

    def again(self, out: Path) -> None:
        """The command after the kill."""
        self.run(out)

    def check(self, out: Path) -> list[str]:
        return verify(out, progress=False)


class BuildVirtual(Scenario):
    def run(self, out: Path) -> None:
        scuba(self.root, out)


class BuildFrames(Scenario):
    def run(self, out: Path) -> None:
        scuba(self.root, out, "frames")


class BuildVideo(Scenario):
    def run(self, out: Path) -> None:
        scuba(self.root, out, "video")


class Extend(Scenario):
    """A finished benchmark; a mask that was missing then exists now."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        mask = self.root / "masks" / "Basketball" / "v_Basketball_g01_c01.zip"
        mask.rename(folder / "mask.zip")
        scuba(self.root, folder / "before")
        shutil.move(folder / "mask.zip", mask)

    def start(self, out: Path) -> None:
        shutil.copytree(self.folder / "before", out)

    def run(self, out: Path) -> None:
        scuba(self.root, out)


class OtherSettings(Scenario):
    """A build that leaves everything out, then one with other settings in the same folder."""

    def run(self, out: Path) -> None:
        shutil.move(self.root / "masks", self.folder / "elsewhere")
        (self.root / "masks").mkdir()
        scuba(self.root, out, seed=1)
        shutil.rmtree(self.root / "masks")
        shutil.move(self.folder / "elsewhere", self.root / "masks")

    def again(self, out: Path) -> None:
        if (self.folder / "elsewhere").exists():
            shutil.rmtree(self.root / "masks", ignore_errors=True)
            shutil.move(self.folder / "elsewhere", self.root / "masks")
        scuba(self.root, out)


class Scufo(Scenario):
    """A benchmark that is made again because its SCUBA benchmark has changed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        scuba(self.root, folder / "scuba", subset=recipes.Subset(limit=1))
        recipes.build_scufo(folder / "scuba", out=folder / "before", run=QUIET)
        scuba(self.root, folder / "scuba")

    def start(self, out: Path) -> None:
        shutil.copytree(self.folder / "before", out)

    def run(self, out: Path) -> None:
        recipes.build_scufo(self.folder / "scuba", out=out, run=QUIET)


class Segment(Scenario):
    def run(self, out: Path) -> None:
        segment.segment("ucf101", self.root, "all", masks=f"boxes:stored:{self.root / 'masks'}", out=out, run=QUIET)

    def check(self, out: Path) -> list[str]:
        return []


def corrections(folder: Path, name: str, *rows: str) -> list[Path]:
    """A table of manual corrections."""
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in ("id,verdict,frames", *rows)))
    return [path]


ARCHERY, BALL = "Archery/v_Archery_g01_c01", "Basketball/v_Basketball_g01_c01"


class Corrected(Scenario):
    """A benchmark that is made again because its manual corrections have changed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.old = corrections(folder, "old.csv", f"{ARCHERY},,1", f"{BALL},leave out,")
        self.new = corrections(folder, "new.csv", f"{ARCHERY},,2", f"{BALL},keep,0")
        self.make(folder / "before", self.old)

    def make(self, out: Path, by_hand: list[Path]) -> None:
        scuba(self.root, out, corrections=by_hand)

    def start(self, out: Path) -> None:
        shutil.copytree(self.folder / "before", out)

    def run(self, out: Path) -> None:
        self.make(out, self.new)


class SegmentCorrected(Corrected):
    """The same with masks of `bench segment`."""

    def make(self, out: Path, by_hand: list[Path]) -> None:
        masks = f"stored:{self.root / 'masks'}"
        segment.segment("ucf101", self.root, "all", masks=masks, out=out, run=QUIET, corrections=by_hand)

    def check(self, out: Path) -> list[str]:
        return []


class Export(Scenario):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        scuba(self.root, folder / "scuba")

    def run(self, out: Path) -> None:
        export.export(self.folder / "scuba", out, layouts.Layout("zip"), progress=False)


class ExportFor(Scenario):
    """An export with names and list files for another project."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        scuba(self.root, folder / "scuba")

    def run(self, out: Path) -> None:
        export.export_for("albar", self.folder / "scuba", out, progress=False)


class ExportVideos(Scenario):
    """An export of ordinary videos, decoded for another project."""

    def run(self, out: Path) -> None:
        export_dataset("stillmix", "ucf101", out, self.root, "all", progress=False, say=lambda line: None)

    def check(self, out: Path) -> list[str]:
        return []


class ExportQuestions(Scenario):
    """Questions about the videos of a benchmark."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        scuba(self.root, folder / "scuba", "video")

    def run(self, out: Path) -> None:
        questions.export_questions(self.folder / "scuba", out)

    def check(self, out: Path) -> list[str]:
        named = [json.loads(line)["video"] for line in (out / "questions.jsonl").read_text().splitlines()]
        return [] if len(named) == 2 and all((out / name).is_file() for name in named) else [f"questions of {named}"]


class Rebuild(Scenario):
    """SCUBA made again from a published folder without videos."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        scuba(self.root, folder / "scuba", "frames")
        settings = PublishSettings(out=folder / "published", with_pixels=False)
        publish_benchmark(folder / "scuba", settings, "1", progress=False, today="2026-01-31")

    def run(self, out: Path) -> None:
        rebuild(self.folder / "published", RebuildSettings(root=self.root, out=out, workers=1), progress=False)


class Merge(Scenario):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for k in (1, 2):
            scuba(self.root, folder / f"part{k}", "frames", subset=recipes.Subset(shard=f"{k}/2"))

    def run(self, out: Path) -> None:
        merge.merge([self.folder / "part1", self.folder / "part2"], out, progress=False)


class Import(Scenario):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        scuba(self.root, folder / "scuba", "frames")
        for path in (folder / "scuba").iterdir():
            if path.is_file() and path.name != "list.txt":
                path.unlink()

    def start(self, out: Path) -> None:
        shutil.copytree(self.folder / "scuba" / "videos", out)
        shutil.copy(self.folder / "scuba" / "list.txt", out)

    def run(self, out: Path) -> None:
        export.import_published(out, "scuba", "ucf101", progress=False)


class ImportElsewhere(Scenario):
    """An import with its tables in a separate folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        scuba(self.root, folder / "scuba", "frames")
        shutil.copy(folder / "scuba" / "list.txt", folder / "scuba" / "videos")

    def run(self, out: Path) -> None:
        export.import_published(self.folder / "scuba" / "videos", "scuba", "ucf101", progress=False, out=out)


class Render(Scenario):
    def run(self, out: Path) -> None:
        render_dataset(out, SynthSettings(size=24, frames=4, train=1, test=1), 1, progress=False)

    def check(self, out: Path) -> list[str]:
        return []


class RenderLong(Scenario):
    def run(self, out: Path) -> None:
        settings = SynthLongSettings(size=24, shortest=4, longest=4.5, fps=2, train=1, test=2)
        render_synthlong(out, settings, 1, progress=False)

    def check(self, out: Path) -> list[str]:
        return []


class Kinds(Scenario):
    """HAT's kinds and appearance-free; background-only again, since its inpainted frames changed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        scuba(self.root, folder / "scuba")
        self.inpaint(50)
        self.make(folder / "before", "background-only", inpainted=folder / "inp")
        self.inpaint(90)

    def inpaint(self, value: int) -> None:
        for name in (ARCHERY, BALL):
            with open_video(self.folder / f"inp/{name}.mkv", 24, 16, 10.0, FFV1) as encoder:
                for _ in range(3):
                    encoder.write(np.full((16, 24, 3), value, np.uint8))

    def make(self, out: Path, kind: str, **options: object) -> None:
        recipes.build_kind(kind, self.folder / "scuba", out=out, run=QUIET, layout="frames", **options)

    def start(self, out: Path) -> None:
        shutil.copytree(self.folder / "before", out / "background-only")

    def run(self, out: Path) -> None:
        self.make(out / "background-only", "background-only", inpainted=self.folder / "inp")
        for kind in ("human-only", "swap", "appearance-free"):
            self.make(out / kind, kind)

    def check(self, out: Path) -> list[str]:
        return [problem for folder in sorted(out.iterdir()) for problem in verify(folder, progress=False)]


class Noise:
    """In place of a text-to-image network."""

    def __init__(self, *given: object) -> None:
        pass

    def paint(self, seed: int, **given: object) -> np.ndarray:
        return np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)


class Backgrounds(Scenario):
    """Generated pictures, of which one was changed since, and one is new."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        generate.Painter = Noise  # type: ignore[misc,assignment]
        generate._versions = dict  # type: ignore[assignment]
        self.make(folder / "before", ["a lake", "a street"])
        next((folder / "before").glob("a-lake*.png")).write_bytes(b"changed")

    def make(self, out: Path, prompts: list[str]) -> None:
        found = PipelineFolder(self.folder, "Noise", {}, "0" * 64)
        maker = generate.PictureMaker(out, found, "cpu", "float32", "", {})
        runner.fill(generate._Generate(out, maker, {"seed": 0}), generate.wanted(prompts, 1, 0), 1, False)

    def start(self, out: Path) -> None:
        shutil.copytree(self.folder / "before", out)

    def run(self, out: Path) -> None:
        self.make(out, ["a lake", "a street", "a hill"])

    def check(self, out: Path) -> list[str]:
        return [] if len(list(out.glob("*.png"))) == 3 else [str(sorted(out.iterdir()))]


class FetchWeights(Scenario):
    """Two networks from one wheel, fetched into ``out``; the first one is damaged there."""

    def __init__(self, folder: Path) -> None:
        for name in list(NETWORKS):
            del NETWORKS[name]
        NETWORKS.update({name: tiny_index.row(name) for name in tiny_index.CONTENT})
        wheel = tiny_index.write_wheel(folder / tiny_index.WHEEL)
        wheels.ways = lambda _: [("here", lambda to: Path(shutil.copy(wheel, to)))]  # type: ignore[assignment]

    def start(self, out: Path) -> None:
        store.cache_folder = lambda: out  # type: ignore[assignment]
        (out / "weights").mkdir(parents=True)
        (out / "weights" / "tiny-a.tflite").write_bytes(b"damaged")

    def run(self, out: Path) -> None:
        store.weights_file("tiny-a")
        store.weights_file("tiny-b")

    def check(self, out: Path) -> list[str]:
        return [n for n, content in tiny_index.CONTENT.items() if content != store.weights_file(n).read_bytes()]


class Anomaly(Scenario):
    """Two trainings of `bench downstream anomaly`; the first of them was finished before."""

    def __init__(self, folder: Path) -> None:
        from planted import planted_folder

        from evaluator.downstream.anomaly.detect import detect_anomalies
        from evaluator.downstream.anomaly.options import AnomalyOptions
        from evaluator.downstream.results import read_results

        features = planted_folder(folder / "features", train=2, test=1)
        said = AnomalyOptions(steps=2, set=("segments=4",), curves="none", progress=False)
        self.detect = lambda out, seeds: detect_anomalies(features, said.replaced(seeds=seeds, out=out))
        self.figures = lambda out: read_results(out).mean
        self.detect(folder / "before", 1)
        self.before = folder / "before"

    def start(self, out: Path) -> None:
        shutil.copytree(self.before, out)

    def run(self, out: Path) -> None:
        self.detect(out, 2)

    def check(self, out: Path) -> list[str]:
        return [] if "auc" in self.figures(out) else ["no figures"]


class Localize(Scenario):
    """Two trainings of `bench downstream localize`; the first of them was finished before."""

    def __init__(self, folder: Path) -> None:
        from localizers import localization_folder

        from evaluator.downstream.localize.localize import localize_actions
        from evaluator.downstream.localize.options import LocalizeOptions
        from evaluator.downstream.results import read_results

        features = localization_folder(folder / "features")
        said = LocalizeOptions(head="localizers:Oracle", pictures=1, device="cpu", progress=False)
        self.localize = lambda out, seeds: localize_actions(features, said.replaced(seeds=seeds, out=out))
        self.figures = lambda out: read_results(out).mean
        self.localize(folder / "before", 1)
        self.before = folder / "before"

    def start(self, out: Path) -> None:
        shutil.copytree(self.before, out)

    def run(self, out: Path) -> None:
        self.localize(out, 2)

    def check(self, out: Path) -> list[str]:
        return [] if self.figures(out)["map"] == 1 else ["no figures"]


class Features(Scenario):
    """Features of long videos, of which one was changed since; a file per crop."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        import torch
        from torch import nn

        from albar.clips.clips import ClipSampling
        from evaluator.features.check import check_features
        from evaluator.features.extract import extract_features
        from evaluator.features.options import FeaturesOptions
        from evaluator.models.factory import from_object

        torch.set_num_threads(1)
        torch.manual_seed(0)
        network = nn.Sequential()
        network.add_module("flat", nn.Flatten())
        network.add_module("head", nn.Linear(3 * 2 * 8 * 8, 3))
        network.sampling = ClipSampling(frames=2, stride=1, size=8, resize=12, crop="centre")  # type: ignore[assignment]
        model, options = from_object(network, "tests.Tiny"), FeaturesOptions(
            window=2, stride=2, crops=3, format="urdmu", prefix="", device="cpu", progress=False
        )  # fmt: skip
        self.extract = lambda out: extract_features(model, "folder", self.root / "videos", out=out, options=options)
        self.problems = check_features
        self.noise(1)
        self.extract(folder / "before")
        self.noise(2)

    def noise(self, seed: int) -> None:
        path = self.root / "videos" / f"{ARCHERY}.mkv"
        path.unlink()
        with open_video(path, 24, 16, 10.0, FFV1) as encoder:
            for frame in np.random.default_rng(seed).integers(0, 256, (5, 16, 24, 3), dtype=np.uint8):
                encoder.write(frame)

    def start(self, out: Path) -> None:
        shutil.copytree(self.folder / "before", out)

    def run(self, out: Path) -> None:
        self.extract(out)

    def check(self, out: Path) -> list[str]:
        return self.problems(out).problems


SCENARIOS = {c.__name__.lower(): c for base in (Scenario, Corrected) for c in base.__subclasses__()}


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, except locks and journals."""
    journals = (".lock", "lock", ".jsonl")
    files = (p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(journals))
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}


def kill_at(n: int, folder: Path, how: str = "kill") -> Callable[[], int]:
    """From now on, end this process at the n-th operation below ``folder``; returns a function with the count."""
    seen = 0
    top = str(folder)

    def step(cut: int | None = None, path: object = None) -> None:
        nonlocal seen
        seen += 1
        if seen == n:
            if how == "interrupt":
                raise KeyboardInterrupt
            if how == "full":
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([] if path is None else [path]))
            if cut is not None:  # in the middle of a write
                try:
                    os.ftruncate(cut, max(0, os.fstat(cut).st_size - 7))
                except OSError:  # opened for reading
                    pass
            os._exit(KILLED)

    def hook(event: str, args: tuple) -> None:
        if event == "open":
            if isinstance(args[0], str) and args[0].startswith(top) and args[2] & WRITES:
                step(path=args[0])
        elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir"):
            within_folder = event in ("os.remove", "os.rmdir") and args[-1] != -1  # from shutil.rmtree
            if within_folder or str(args[0]).startswith(top):
                step(path=args[0])
        elif event == "subprocess.Popen" and how != "full":  # starting a process writes nothing
            step()

    fsync = os.fsync

    def counted(fd: int) -> None:
        step(fd)
        fsync(fd)

    os.fsync = counted
    sys.addaudithook(hook)
    return lambda: seen


def forked(work: Callable[[], int]) -> int:
    """The exit status of ``work`` in a separate process."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = work()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(name: str, folder: Path, first: int, stride: int, how: str = "kill") -> None:
    scenario = SCENARIOS[name](folder)
    whole, out, counts = folder / "whole", folder / "out", folder / "count"

    def undisturbed() -> int:
        scenario.start(whole)
        count = kill_at(0, whole)
        scenario.run(whole)
        counts.write_text(str(count()))
        scenario.again(whole)
        return 0

    assert forked(undisturbed) == 0
    steps, expected, wrong, tried = int(counts.read_text()), tree(whole), [], 0
    for n in (n for n in range(1, steps + 1) if n <= first or n % stride == 0 or n == steps):
        shutil.rmtree(out, ignore_errors=True)
        scenario.start(out)

        def killed(n: int = n) -> int:
            kill_at(n, out, how)
            try:
                scenario.run(out)
            except KeyboardInterrupt:
                return KILLED
            except (BenchError, OSError) as error:  # the command line turns an OSError into one line
                return KILLED if how == "full" and str(out) in str(error) else print(repr(error), file=sys.stderr) or 1
            return 0

        def once_more() -> int:
            scenario.again(out)
            return 0

        status = forked(killed)
        tried += 1
        if status not in (0, KILLED):
            wrong.append(f"{n}: the first run ended with {status}")
        elif (status := forked(once_more)) != 0:
            wrong.append(f"{n}: the second run ended with {status}")
        elif (found := tree(out)) != expected:
            differing = [k for k in sorted(found.keys() | expected.keys()) if found.get(k) != expected.get(k)]
            wrong.append(f"{n}: {', '.join(differing)}")
        elif problems := scenario.check(out):
            wrong.append(f"{n}: {problems[0]}")
    print(json.dumps({"steps": steps, "tried": tried, "wrong": wrong}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:])
