"""`bench demo`: every step on the embedded dataset, without a download."""

from pathlib import Path

from albar_bench.cli.options import with_options
from albar_bench.cli.say import say
from benchmark_builder.settings import RunSettings, SynthSettings
from benchmark_builder.utils.options import PathSetting, like, setting

METHODS = ("baseline", "albar")
TRAIN, TEST, EPOCHS = 4096, 256, 4


class DemoOptions(RunSettings):
    """What the demo takes."""

    out: PathSetting = setting(Path("demo"), "Everything is written here; delete it when done.")
    seed: int = like(SynthSettings, "seed", 0)


@with_options
def demo(options: DemoOptions) -> None:
    """Render synthactions, build SCUBA, SCUFO and ConflFG, train two networks, score both, show the leaderboard.

    Example: `bench demo --out demo --seed 1`
    """
    from albar.training.settings import TrainSettings
    from albar.training.trainer import train
    from benchmark_builder.benchmark.preview import contact_sheet
    from benchmark_builder.builders import Run, build_conflfg, build_scuba, build_scufo
    from benchmark_builder.synthactions import render_dataset
    from benchmark_builder.utils.pool import default_workers
    from evaluator.evaluate import EvalOptions, evaluate
    from evaluator.reports.leaderboard import read_leaderboard
    from evaluator.reports.picture import plot_leaderboard
    from evaluator.reports.report import report
    from evaluator.reports.screen import show

    out, seed = options.out, options.seed
    root, built, results = out / "synthactions", out / "benchmarks", out / "results"
    workers = options.workers or default_workers()
    run = Run(workers=workers, say=say)

    _title(1, f"render {TRAIN} training videos and two test sets of {TEST}: motion is the class, looks mislead")
    render_dataset(root, SynthSettings(train=TRAIN, test=TEST, seed=seed), workers)

    _title(2, "build test videos in which background and looks are misleading")
    scuba, scufo, conflfg = (built / f"synthactions-{kind}-stripes" for kind in ("scuba", "scufo", "conflfg"))
    build_scuba("synthactions", root, "test", seed=seed, out=scuba, run=run, per_video=1)
    build_scufo(scuba, seed=seed, out=scufo, run=run)
    build_conflfg(scuba, seed=seed, out=conflfg, run=run)
    sheet = contact_sheet(scuba, out / "preview.png", videos=4, height=96)

    for step, method in enumerate(METHODS, 3):
        _title(step, f"train {method}")
        settings = TrainSettings(method=method, root=root, epochs=EPOCHS, seed=seed, out=out / "runs" / method)
        checkpoint = train(settings, say)
        evaluate(checkpoint, [scuba, scufo, conflfg], results, EvalOptions(root=root))

    _title(5, "which network uses the motion?")
    table = results / "leaderboard.csv"
    show([table])
    plot_leaderboard(read_leaderboard(table), results / "leaderboard.png")
    page = report([results], out / "report.html", root=root, title="synthactions: which network uses the motion?")
    say(f"table     {table}\nchart     {results / 'leaderboard.png'}\nvideos    {sheet}\nreport    {page}")


def _title(step: int, text: str) -> None:
    say(f"\n[{step}/5] {text}")
