"""Where the demo's clips come from: a folder, or six that it makes itself."""

import asyncio
from pathlib import Path

from ops.demo.uploads import CONTENT_TYPES
from ops.errors import CannotGoOn

#: Seconds of the clips that are made; different, so that progress bars do not move as one.
MADE_SECONDS = (3.0, 4.0, 5.0, 3.5, 6.0, 4.5)


class NoClips(CannotGoOn):
    """There is nothing to upload."""


def find_clips(folder: Path) -> list[Path]:
    """The clips of a folder, by name.

    Raises:
        NoClips: there are none, or no such folder.
    """
    if not folder.is_dir():
        raise NoClips(f"{folder} is no folder.\nName one with clips, or leave --clips out.")
    found = sorted(
        each for each in folder.iterdir() if each.suffix.lower() in CONTENT_TYPES and each.is_file()
    )
    if not found:
        kinds = ", ".join(CONTENT_TYPES)
        raise NoClips(f"{folder} holds no clips ({kinds}).\nLeave --clips out and some are made.")
    return found


async def make_clips(folder: Path, seed: int) -> list[Path]:
    """Make a handful of clips in an existing folder; the same for the same seed."""
    # Imported here: PyAV is needed for nothing else.
    from media.clip import make_clip

    made = []
    for number, seconds in enumerate(MADE_SECONDS):
        path = folder / f"made-{number + 1}.mp4"
        await asyncio.to_thread(make_clip, path, seconds, seed=seed + number)
        made.append(path)
    return made
