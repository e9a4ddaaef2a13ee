"""The one exception that the command line turns into a one-line message."""


class BenchError(Exception):
    """Bad input or a state the user can mend. The message names the file and the mend, in one line."""


class LeftOut(BenchError):
    """A video that a protocol rightly leaves out (no annotation, too small a mask): listed, but no failure."""
