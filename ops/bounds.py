"""What the machine must grant before anything is opened: a port, and enough open files.

Asked first and told in words, because the same lack found later shows as a hundred failing requests.
"""

import errno
import resource
import socket

from ops.errors import CannotGoOn

#: Connections that the kernel queues before they are accepted.
LISTEN_BACKLOG = 1_024


class PortTaken(CannotGoOn):
    """Somebody listens on the port already."""

    def __init__(self, host: str, port: int, setting: str) -> None:
        self.port = port
        super().__init__(
            f"Port {port} on {host} is taken by another program.\n"
            f"Stop that one, or choose another port: {setting}=... (0 takes a free one)."
        )


class AddressUnusable(CannotGoOn):
    """This machine cannot listen on the address."""

    def __init__(self, host: str, port: int, setting: str, error: OSError) -> None:
        hint = (
            "Ports below 1024 need privileges; choose a higher one"
            if error.errno == errno.EACCES
            else "Choose an address of this machine (KINORA_HOST=127.0.0.1), or another port"
        )
        super().__init__(
            f"Cannot listen on {host} port {port}: {error.strerror or error}.\n{hint}: {setting}=..."
        )


class TooFewFiles(CannotGoOn):
    """The limit on open files is too low, and may not be raised from here."""

    def __init__(self, allowed: int, needed: int) -> None:
        self.allowed = allowed
        self.needed = needed
        super().__init__(
            f"This process may open {allowed} files, and Kinora needs {needed}.\n"
            f"Raise the limit in this shell: ulimit -n {needed} (for a service: LimitNOFILE={needed})."
        )


def allow_open_files(needed: int) -> int:
    """Raise the soft limit on open files as far as the hard one lets us; returns what is allowed now.

    Raises:
        TooFewFiles: even that is less than `needed`.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    wanted = max(needed, 65_536) if hard == unlimited else hard
    if soft != unlimited and soft < wanted:
        # macOS calls its hard limit unlimited and refuses more than the kernel's own maximum.
        for attempt in (wanted, needed):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (attempt, hard))
                soft = attempt
                break
            except (ValueError, OSError):
                continue
    if soft != unlimited and soft < needed:
        raise TooFewFiles(soft, needed)
    return soft


def open_listener(host: str, port: int, *, setting: str, shared: bool = False) -> socket.socket:
    """A non-blocking socket that listens; `setting` names what a person has to change when it cannot.

    Port 0 takes a free one; `getsockname()[1]` says which. A `shared` port may be listened on by several
    processes of this user, among which the kernel shares connections out (SO_REUSEPORT).

    Raises:
        PortTaken: somebody listens there.
        AddressUnusable: the address is not of this machine, or not for this user.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise AddressUnusable(host, port, setting, error) from error
    try:
        # A restart must not wait for the last minute's connections.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(address)
        listener.listen(LISTEN_BACKLOG)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port, setting) from error
        raise AddressUnusable(host, port, setting, error) from error
    return listener
