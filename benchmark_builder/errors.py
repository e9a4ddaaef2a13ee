"""The one exception that the command line turns into a one-line message."""


class BenchError(Exception):
    """Bad input or a state the user can mend. The message names the file and the mend, in one line."""


class LeftOut(BenchError):
    """A video that a protocol rightly leaves out (no annotation, too small a mask): listed, but no failure."""


class ChangedFile(BenchError):
    """A file is not the one that a manifest describes; never merely missing."""


def system_error(error: OSError) -> BenchError:
    """What the operating system refused (a full disk, missing rights), as an error that the user can mend."""
    where = f"{error.filename}: " if error.filename else ""
    return BenchError(f"{where}{error.strerror or error}; free space, mend its rights, or choose another folder")
