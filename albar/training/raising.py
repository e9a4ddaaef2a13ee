"""Another number of epochs for a run that has begun: where that is the same run, and where it is not."""

from albar.training.run_record import RunRecord


def epochs_of(record: RunRecord) -> int:
    """The number of epochs in the record of a run; 0 if it is not known."""
    epochs = (record.recipe or {}).get("epochs")
    return epochs if isinstance(epochs, int) and not isinstance(epochs, bool) else 0


def float_of(record: RunRecord, name: str) -> float:
    """A number of the recipe in the record of a run; 0 if it is not known."""
    value = (record.recipe or {}).get(name)
    return float(value) if isinstance(value, (int, float)) else 0.0


def only_epochs_differ(a: RunRecord, b: RunRecord) -> bool:
    """Whether two records are of the same run except for their number of epochs."""
    if not epochs_of(a) or not epochs_of(b) or epochs_of(a) == epochs_of(b):
        return False
    recipes = [{**(r.recipe or {}), "epochs": 0} for r in (a, b)]
    return a.replaced(recipe=recipes[0]).plain() == b.replaced(recipe=recipes[1]).plain()


def raise_refused(kept: RunRecord, was: int, now: int, done: int, by_progress: bool) -> str:
    """Why a run of ``was`` epochs cannot become one of ``now``; empty if it can.

    The learning rate must not depend on the length of the run: a constant one does not. Its warm-up is a share of the
    run and is over: in the epochs that follow, the rate is the full one, so the new length may not put them into it.

    Args:
        kept: the record of the run.
        was, now, done: numbers of epochs: of the run, wanted, and trained.
        by_progress: whether the loss of the method depends on the share of the run that is done.
    """
    schedule = (kept.recipe or {}).get("schedule")
    if schedule != "constant":
        return (
            f"its learning rate ({schedule}) depends on the length of the run, so each of these epochs would have had "
            "another one; only --schedule constant allows it"
        )
    if by_progress:
        return f"the loss of {kept.method} depends on the length of the run"
    warmup = float_of(kept, "warmup")
    if warmup and (done < warmup * was or done < warmup * now):
        return f"its warm-up (--warmup {warmup:g} of the run) would not be over after the {done} that are trained"
    return ""
