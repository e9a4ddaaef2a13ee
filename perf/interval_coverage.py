"""How often the 95 % interval contains the true value, with a bootstrap by source video and, incorrectly, by video.

    python perf/interval_coverage.py [RUNS]

Simulated predictions: 200 sources with five variants, correct with 60 % on average; the correlation of variants of a
source is 1/3.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from test_evaluator_intervals import coverage

if __name__ == "__main__":
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    for clustered, name in ((True, "by source video"), (False, "by video")):
        print(f"{name:16} {100 * coverage(clustered, runs):.1f} % of {runs} runs")
