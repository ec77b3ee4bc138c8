"""`expected.json` beside clips: what each of them must become."""

from pathlib import Path
from typing import Literal

import msgspec

from ops.errors import CannotGoOn

FILE = "expected.json"


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """How a clip may end."""

    status: Literal["ready", "failed", "ready or failed"]
    #: Codes that are right when it fails; any when empty.
    code: tuple[str, ...] = ()

    def complaint(self, status: str, code: str | None) -> str | None:
        """What is wrong with this end, or None. A clip that is refused at the door failed."""
        ended = "failed" if status == "refused" else status
        if ended not in self.status.split(" or "):
            return f"is {status}{f' ({code})' if code else ''}, not {self.status}"
        if ended == "failed" and self.code and code not in self.code:
            return f"failed with {code}, not with {' or '.join(self.code)}"
        return None


def read_expectations(folder: Path) -> dict[str, Expectation]:
    """By file name; empty where there is no such file.

    Raises:
        CannotGoOn: the file is not of this form.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Expectation])
    except (OSError, msgspec.DecodeError) as error:
        raise CannotGoOn(f"{path} cannot be used: {error}") from error
