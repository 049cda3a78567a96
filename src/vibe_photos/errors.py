"""Every error this package raises on purpose, as one tree.

```
VibePhotosError                what happened, to which photo, file, line or key, and what to do
├── ConfigurationError         a key of the configuration is unknown, missing or of the wrong type
├── InputError                 a file that a person or another program wrote cannot be used as it is
├── LibraryError               the photo folder is missing, empty or became unreadable
├── DecodeError                one photo's pixels cannot be read
├── StoreError                 a file of the local store is damaged, locked or cannot be written
├── DatabaseError              an app's database cannot be reached, read or written
├── TeacherError               the teacher cannot be used at all
│   ├── TeacherRefused         wrong key, wrong model, forbidden: asking again cannot help
│   └── TeacherUnreachable     no server answers at the configured address
├── EncoderError               a checkpoint is missing or vectors belong to another encoder
├── ClusterError               a Ray cluster cannot be reached, is too small or gave up
├── HeadError                  a head file is damaged, hostile or made for another encoder
├── RunInterrupted             a person stopped the run; what was done is kept
└── TooManyFailures            more photos failed than the configured share allows
```
"""


class VibePhotosError(Exception):
    """Base of all errors that are shown to a person without a traceback."""


class ConfigurationError(VibePhotosError):
    """A key of the configuration is unknown, missing or of the wrong type."""


class InputError(VibePhotosError):
    """A file that a person or another program wrote cannot be used as it is."""


class LibraryError(VibePhotosError):
    """The photo folder is missing, empty or became unreadable."""


class DecodeError(VibePhotosError):
    """One photo's pixels cannot be read.

    `reason` is the short stable word that stands in problem records (`truncated`, `too_many_pixels`, ...).
    """

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
    """A person stopped the run; what was done is kept, and the same command goes on."""


class TooManyFailures(VibePhotosError):
    """More photos failed than the configured share allows."""
