"""What can go wrong between us and Redis, the same for every client library.

A driver's exception becomes a `Fault` at its port. The router decides by the fault alone whether to try again;
what leaves the adapter is an error of `sharding.errors`, made here and nowhere else.
"""

from sharding.errors import Internal, KinoraError, StorageUnavailable

#: Error codes that pass: a failover, a slot on its way, a node that starts.
_PASSING = frozenset(
    {
        "ASK",
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MOVED",
        "NOREPLICAS",
        "READONLY",
        "TRYAGAIN",
        "UNBLOCKED",
    }
)

#: Error codes that an operator must mend, with what that operator should read.
_REASONS = {
    "MISCONF": "Redis cannot write to its disk.",
    "NOAUTH": "Redis wants a password.",
    "NOPERM": "Redis does not allow us this command.",
    "OOM": "Redis is out of memory.",
    "WRONGPASS": "Redis refuses our password.",
}


class Fault(Exception):
    """One attempt at one command failed."""

    #: Whether the command may have taken effect all the same.
    unknown: bool = False
    #: Whether another attempt may do better.
    passing: bool = True

    def error(self, *, unknown: bool) -> KinoraError:
        """What the caller hears when no attempt is left; `unknown` if any of them may have taken effect."""
        return _unavailable(None, unknown, str(self))


class LinkLost(Fault):
    """The connection ended, or never came to be."""

    def __init__(self, why: object, *, sent: bool) -> None:
        super().__init__(f"{type(why).__name__}: {why}" if isinstance(why, Exception) else str(why))
        self.unknown = sent


class Crowded(Fault):
    """Too many commands wait for this master already."""

    passing = False


class ErrorReply(Fault):
    """Redis answered with an error; nothing was done."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(f"{code} {text}")
        self.code = code
        self.text = text
        self.passing = code in _PASSING

    @property
    def address(self) -> tuple[str, int] | None:
        """Where MOVED or ASK point to, None for any other error and for an endpoint without a name."""
        if self.code not in ("MOVED", "ASK"):
            return None
        host, _, port = self.text.rpartition(" ")[2].rpartition(":")
        return (host, int(port)) if host and port.isdecimal() else None

    def error(self, *, unknown: bool) -> KinoraError:
        """An error in our own command is a bug; everything else is an engine that cannot now."""
        if self.passing or self.code in _REASONS:
            return _unavailable(_REASONS.get(self.code), unknown, str(self))
        return Internal(context=str(self))


def _unavailable(reason: str | None, unknown: bool, context: str) -> StorageUnavailable:
    if unknown:
        return StorageUnavailable(reason, context=context)
    reason = reason or "A store does not answer; nothing was done."
    return StorageUnavailable(reason, executed=False, context=context)
