"""Where a node is reached: `unix:/path` on one machine, `tcp:host:port` between machines."""

from dataclasses import dataclass

#: What the kernel takes as the path of a Unix socket, in bytes, without its final zero.
UNIX_PATH_BYTES = 107


class BadAddress(ValueError):
    """This is no address of a node; the text says what one looks like."""


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A socket file."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A port of a host; port 0 lets the system choose one when listening."""

    host: str
    port: int

    def __str__(self) -> str:
        return (
            f"tcp:[{self.host}]:{self.port}" if ":" in self.host else f"tcp:{self.host}:{self.port}"
        )


Address = UnixAddress | TcpAddress


def parse_address(text: str) -> Address:
    """The address that `text` names.

    Raises:
        BadAddress: it names none.
    """
    scheme, _, rest = text.partition(":")
    if scheme == "unix" and rest.startswith("/"):
        if len(rest.encode()) > UNIX_PATH_BYTES:
            raise BadAddress(f"{text!r}: a socket's path has at most {UNIX_PATH_BYTES} bytes")
        return UnixAddress(rest)
    if scheme == "tcp":
        host, _, port = rest.rpartition(":")
        bracketed = host.startswith("[") and host.endswith("]")
        bare = host[1:-1] if bracketed else host
        if bare and bracketed == (":" in bare) and port.isdecimal() and int(port) < 65_536:
            return TcpAddress(bare, int(port))
    raise BadAddress(f"{text!r} is no address: write unix:/path or tcp:host:port")
