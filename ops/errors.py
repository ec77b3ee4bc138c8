"""Why a command cannot go on, in words for the person who typed it.

    CannotGoOn
    ├─ SettingsError      names or values in the environment
    ├─ PortTaken          somebody listens there already
    ├─ AddressUnusable    this machine cannot listen there
    ├─ TooFewFiles        the limit on open files is too low
    ├─ DataDirTaken       another process uses the data folder
    └─ DataDirUnusable    it cannot be made, read or written

Every message says what to do about it. Nothing below `ops/cli.py` exits; it raises one of these.
"""


class CannotGoOn(Exception):
    """A person has to change something first; the message says what."""
