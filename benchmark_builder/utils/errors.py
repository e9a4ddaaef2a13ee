"""The one exception that the command line turns into a one-line message."""

import errno
from pathlib import Path

LONGEST_MESSAGE = 1500  # letters; what a stranger's file says may be quoted in it


class BenchError(Exception):
    """Bad input or a state the user can fix. The message names the file and the fix, in one line.

    A message of more than :data:`LONGEST_MESSAGE` letters loses its middle.
    """

    def __init__(self, message: str = "") -> None:
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[:1000]} … {message[-400:]}"
        super().__init__(message)


class LeftOut(BenchError):
    """A video that a protocol rightly leaves out (no annotation, too small a mask): listed, but no failure."""


class ChangedFile(BenchError):
    """A file is not the one that a manifest describes; never merely missing."""


class Crashed(BenchError):
    """An item that ended in no foreseen way: unexpected exception, or the process that made it died.

    Attributes:
        details: the traceback, for a log file.
        again: the item deserves a second try, alone: other items may have taken the memory it needed.
    """

    def __init__(self, message: str, details: str = "", again: bool = False) -> None:
        super().__init__(message)
        self.details, self.again = details, again


# What writing to a full, broken or protected disk gives: these name no file where a file was open already.
DISK_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG))
_FIXES = {
    errno.ENOSPC: "free space there, or choose another folder",
    errno.EDQUOT: "free space there, or choose another folder",
    errno.EROFS: "choose another folder",
    errno.EACCES: "change its rights, or choose another folder",
    errno.EPERM: "change its rights, or choose another folder",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "choose another folder",
    errno.EEXIST: "choose another folder",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or use fewer --workers",
    errno.ENOMEM: "free memory, or use fewer --workers",
}


def system_error(error: OSError, folder: Path | None = None) -> BenchError:
    """What the operating system refused (a full disk, missing rights), as an error that the user can fix.

    Args:
        folder: where it happened, for an error that names no file.
    """
    # A copy or a rename has two names; space and rights are wanting where it writes.
    name = (error.filename2 if error.errno in DISK_ERRORS else None) or error.filename or folder
    where = f"{name}: " if name else ""
    fix = _FIXES.get(error.errno or 0, "free space, change its rights, or choose another folder")
    return BenchError(f"{where}{error.strerror or error}; {fix}")
