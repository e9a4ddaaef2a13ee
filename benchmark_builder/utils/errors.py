"""The exception that the command line shows as a one-line message."""

import errno
from pathlib import Path

LONGEST_MESSAGE = 1500  # characters; a message may quote text from any file


class BenchError(Exception):
    """Bad input, or a state that the user can fix. The message, one line, names the file and how to fix it.

    The middle of a message of more than :data:`LONGEST_MESSAGE` characters is removed.
    """

    def __init__(self, message: str = "") -> None:
        if len(message) > LONGEST_MESSAGE:
            message = f"{message[:1000]} … {message[-400:]}"
        super().__init__(message)


class LeftOut(BenchError):
    """A video that a protocol correctly leaves out (no annotation, mask too small): listed, but not a failure."""


class ChangedFile(BenchError):
    """A file differs from the one in a manifest; not used for missing files."""


class Crashed(BenchError):
    """An item that ended in an unexpected way: an unexpected exception, or its process died.

    Attributes:
        details: the traceback, for a log file.
        again: try the item again, alone: other items may have used the memory that it needs.
    """

    def __init__(self, message: str, details: str = "", again: bool = False) -> None:
        super().__init__(message)
        self.details, self.again = details, again


# Errors of writing to a full, broken or protected disk. They have no file name if the file was already open.
DISK_ERRORS = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG))
_FIXES = {
    errno.ENOSPC: "free space there, or choose another folder",
    errno.EDQUOT: "free space there, or choose another folder",
    errno.EROFS: "choose another folder",
    errno.EACCES: "change its permissions, or choose another folder",
    errno.EPERM: "change its permissions, or choose another folder",
    errno.ENOENT: "check the path",
    errno.ENOTDIR: "choose another folder",
    errno.EEXIST: "choose another folder",
    errno.EMFILE: "raise the limit on open files (ulimit -n), or use fewer --workers",
    errno.ENOMEM: "free memory, or use fewer --workers",
}


def system_error(error: OSError, folder: Path | None = None) -> BenchError:
    """An error of the operating system (disk full, no permission) as an error that the user can fix.

    Args:
        folder: where it happened, if the error has no file name.
    """
    # A copy or a rename has two names; the problem is at the target.
    name = (error.filename2 if error.errno in DISK_ERRORS else None) or error.filename or folder
    where = f"{name}: " if name else ""
    fix = _FIXES.get(error.errno or 0, "free space, change its permissions, or choose another folder")
    return BenchError(f"{where}{error.strerror or error}; {fix}")
