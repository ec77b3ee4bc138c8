"""`kinora clip`: a clip to upload, for whoever has none at hand."""

from pathlib import Path

from ops.errors import CannotGoOn


class CannotWriteClip(CannotGoOn):
    """The file is there already, or cannot be written."""


def write_clip(path: Path, seconds: float, *, seed: int, force: bool) -> None:
    """Make a clip at `path`, with sound, 540x960.

    Raises:
        CannotWriteClip: something is there already and `force` is not set, or the folder is not there.
    """
    if path.exists() and not force:
        raise CannotWriteClip(f"{path} is there already.\nName another file, or add --force.")
    if not path.parent.is_dir():
        raise CannotWriteClip(f"There is no folder {path.parent}.\nMake it first (mkdir -p).")
    # Imported here: nothing else of the command line needs PyAV.
    from media.clip import make_clip

    draft = path.with_name(f".{path.name}.part")
    try:
        make_clip(draft, seconds, seed=seed)
        draft.replace(path)
    except OSError as error:
        raise CannotWriteClip(f"{path} cannot be written: {error.strerror or error}.") from error
    finally:
        draft.unlink(missing_ok=True)
