"""`python -m bench`: kept until the next release; it is `python -m albar_bench` now."""

import sys

print("note: `python -m bench` is now `python -m albar_bench`, or `bench`; the old name works until the next release",
      file=sys.stderr)  # fmt: skip

from albar_bench.__main__ import main  # noqa: E402

if __name__ == "__main__":
    main()
