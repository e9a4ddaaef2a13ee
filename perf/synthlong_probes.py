"""What features of synthlong know: linear probes of the motion, of the scenery and of the clothing, in unseen videos.

    python perf/synthlong_probes.py RENDER FEATURES... [--out FILE.csv]

RENDER is a folder of `bench data render --dataset synthlong`, FEATURES are folders of `bench features` of it. A linear
classifier (logistic regression) is fitted to four fifths of the test videos, in which looks say nothing about
motions, and scored on the windows of the other fifth; this five times. `anomaly` is the AUC of a probe fitted to the
training videos with the true label of every window, which no head of anomaly detection is told. Only windows inside one
stretch of the timeline are used, except there. Chance is 12.5 percent for motion, scenery and clothing (eight each), 50
for the AUC; `acts` says whether the actor does anything, for which chance is the share of windows with actions.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmark_builder.synthlong import ANOMALIES
from benchmark_builder.utils.files import write_csv
from evaluator.features.folder import FeatureFolder


def probe() -> Pipeline:
    return make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def measure(render: Path, folder: FeatureFolder) -> dict[str, str]:
    """The figures of one folder, in percent."""
    facts = {row["id"]: row for row in table(render / "facts.csv")}
    timeline: dict[str, list[dict[str, str]]] = {}
    for row in table(render / "timeline.csv"):
        timeline.setdefault(row["id"], []).append(row)
    features, videos, motions, anomalous = [], list[str](), list[str](), list[bool]()
    for video in folder.videos():
        features.append(video.features().mean(axis=1))
        for start in video.starts().tolist():
            videos.append(video.id)
            motion, anomaly, middle = "", False, start + folder.window / 2
            for part in timeline[video.id]:
                a, b = int(part["start_frame"]), int(part["end_frame"])
                if a <= start and start + folder.window <= b:
                    motion = part["class"] or "idle"
                anomaly |= part["class"] in ANOMALIES and a <= middle < b
            motions.append(motion)
            anomalous.append(anomaly)
    x, ids, motion, truth = np.concatenate(features), np.array(videos), np.array(motions), np.array(anomalous)
    test = np.array([facts[name]["split"] == "test" for name in videos])
    acting = (motion != "") & (motion != "idle")
    found = {"model": folder.path.name}
    for what, labels, chosen in (
        ("motion", motion, test & acting),
        ("acts", acting, test & (motion != "")),
        ("scenery", np.array([facts[name]["scenery"] for name in videos]), test),
        ("clothing", np.array([facts[name]["clothing"] for name in videos]), test),
    ):
        said = cross_val_predict(probe(), x[chosen], labels[chosen], groups=ids[chosen], cv=GroupKFold(5))
        found[what] = f"{100 * np.mean(said == labels[chosen]):.1f}"
    fitted = probe().fit(x[~test], truth[~test])
    found["anomaly"] = f"{100 * roc_auc_score(truth[test], fitted.decision_function(x[test])):.1f}"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("render", type=Path)
    parser.add_argument("features", type=Path, nargs="+")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = [measure(given.render, FeatureFolder.open(path)) for path in given.features]
    print("  ".join(f"{name:>9}" for name in rows[0]))
    for row in rows:
        print("  ".join(f"{value:>9}" for value in row.values()))
    if given.out is not None:
        write_csv(given.out, list(rows[0]), rows)


if __name__ == "__main__":
    main()
