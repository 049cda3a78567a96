"""Every error that this package raises on purpose."""


class VibePhotosError(Exception):
    """Base of all errors that are shown without a traceback.

    The message says what happened, to which photo, file, line or key, and what to do.
    """


class ConfigurationError(VibePhotosError):
    """A key of the configuration is unknown, missing or of the wrong type."""


class InputError(VibePhotosError):
    """A file that a person or another program wrote cannot be used."""


class LibraryError(VibePhotosError):
    """The photo folder is missing, empty or became unreadable."""


class DecodeError(VibePhotosError):
    """One photo's pixels cannot be read; `reason` is a fixed word (`truncated`, ...) for problem records."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class StoreError(VibePhotosError):
    """A file of the local store is damaged, locked or cannot be written."""


class DatabaseError(VibePhotosError):
    """An app's database cannot be reached, read or written."""


class TeacherError(VibePhotosError):
    """The teacher cannot be used at all."""


class TeacherRefused(TeacherError):
    """The server refuses every request: wrong key, wrong model, forbidden."""


class TeacherUnreachable(TeacherError):
    """No server answers at the configured address."""


class EncoderError(VibePhotosError):
    """A checkpoint is missing, or vectors belong to another encoder."""


class ClusterError(VibePhotosError):
    """A Ray cluster cannot be reached, is too small or gave up."""


class HeadError(VibePhotosError):
    """A head file is damaged, hostile or made for another encoder."""


class RunInterrupted(VibePhotosError):
    """A person stopped the run; finished work is kept, and the same command continues it."""


class TooManyFailures(VibePhotosError):
    """More photos failed than the configured share allows."""
