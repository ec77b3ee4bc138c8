"""Which Kinora this is."""

from importlib import metadata


def version() -> str:
    """The version of the installed distribution; "unknown" in a checkout that is not installed."""
    try:
        return metadata.version("kinora")
    except metadata.PackageNotFoundError:
        return "unknown"
