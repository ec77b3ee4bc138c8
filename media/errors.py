"""Why the pipeline stops: a verdict about the clip, or news about the job.

What the world does wrong (a store that does not answer, a blob that is gone) is `sharding.errors`.
"""

from actors.media import FailureCode, MediaFailure


class Refused(Exception):
    """The clip cannot become a video; `code` is API.md's and `title` is what its author reads."""

    def __init__(self, code: FailureCode, title: str) -> None:
        super().__init__(f"{code}: {title}")
        self.code: FailureCode = code
        self.title = title

    def as_failure(self) -> MediaFailure:
        """The same verdict as the value that leaves the process."""
        return MediaFailure(code=self.code, title=self.title)


class ClaimLost(Exception):
    """Somebody else has the job now, or nobody wants it any more; stop and publish nothing."""


class DeadlinePassed(Exception):
    """The job took longer than any clip may."""
