"""The process that decodes: one job, one life. `python -m media.child PARENT_PID REQUEST`.

Standard input is the uploaded file itself, already open; the current directory is an empty scratch
folder; standard output carries JSON lines, the last of which is the verdict. It has no network client,
no credentials and no name of anything outside its scratch folder. It always ends with a verdict or with
a signal, and the parent makes `internal` of the latter.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from actors.media import MediaFailure
from actors.ports.clock import SystemClock
from media.errors import Refused
from media.messages import (
    ChildMessage,
    ChildRequest,
    Encoded,
    EncodeRequest,
    Failed,
    Progress,
    StillEncoded,
)
from media.sandbox import bound, die_with_parent, seal

#: Least time between two lines of progress, in seconds; the parent bounds how many it reads.
PROGRESS_EVERY_S = 0.25

INTERNAL = MediaFailure(code="internal", title="The video could not be processed.")


class Reporter:
    """Writes messages to *file*, progress at most every `PROGRESS_EVERY_S` and never falling."""

    def __init__(self, file: BinaryIO, monotonic: Callable[[], float]) -> None:
        self._file = file
        self._monotonic = monotonic
        self._last = -PROGRESS_EVERY_S
        self._value = 0.0

    def progress(self, value: float) -> None:
        """Say how far we are, 0 to 1, unless something was said just now."""
        now = self._monotonic()
        if value > self._value and now - self._last >= PROGRESS_EVERY_S:
            self._value, self._last = value, now
            self.send(Progress(value=round(min(1.0, value), 4)))

    def send(self, message: ChildMessage) -> None:
        """Write *message* as a line of its own; a closed pipe means nobody waits for us any more."""
        try:
            self._file.write(msgspec.json.encode(message) + b"\n")
            self._file.flush()
        except BrokenPipeError:
            os._exit(1)


def run(request: ChildRequest, file: BinaryIO, scratch: Path, reporter: Reporter) -> ChildMessage:
    """Do what *request* asks and return the verdict; raises nothing but what ends the process."""
    try:
        # Imported here: whoever reads this module for its types must not pay for FFmpeg.
        import av.logging

        from media.pipeline import encode_clip
        from media.still import encode_still

        # FFmpeg's log goes through Python and its lock otherwise, from threads, for every broken bit.
        av.logging.set_level(None)
        seal()
        verdict: Encoded | StillEncoded
        if isinstance(request, EncodeRequest):
            verdict = encode_clip(file, scratch, request, reporter.progress)
        else:
            verdict = encode_still(file, scratch, request)
        return verdict
    except Refused as refusal:
        return Failed(failure=refusal.as_failure())
    except Exception as error:  # the boundary: whatever it is, the author gets an answer
        import traceback

        traceback.print_exception(error, file=sys.stderr)
        return Failed(failure=INTERNAL)


def main(arguments: list[str]) -> int:
    """Entry point; the exit code says only whether there is a verdict."""
    parent, encoded = arguments
    die_with_parent(int(parent))
    request: ChildRequest = msgspec.json.decode(encoded, type=ChildRequest)
    bound(request.bounds)
    source = os.fdopen(os.dup(0), "rb", buffering=0)
    reporter = Reporter(os.fdopen(os.dup(1), "wb"), SystemClock().monotonic)
    # Whatever a library prints must not look like a message.
    os.dup2(2, 1)
    reporter.send(run(request, source, Path.cwd(), reporter))
    # Decoder threads and native destructors have nothing left to say; do not wait for them.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
