"""Sockets for the link: the only I/O here. Ops calls these and hands the rest its transports."""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from ssl import SSLContext

from actors.links.address import Address, TcpAddress, UnixAddress

#: Connections that the kernel queues before they are taken.
BACKLOG = 512

Protocols = Callable[[], asyncio.BaseProtocol]


class AddressTaken(OSError):
    """Somebody else listens there, or something lies there that is no socket."""


@asynccontextmanager
async def open_door(
    address: Address, protocols: Protocols, *, ssl: SSLContext | None = None
) -> AsyncIterator[Address]:
    """Listen at `address` and give every connection a protocol; the address that was bound.

    A socket file is only for its owner (0600) from before the first connection. One that a dead process
    left is replaced; one that somebody listens on is not.

    Raises:
        AddressTaken: it is in use.
        OSError: it cannot be bound.
    """
    sock = _bound_unix(address.path) if isinstance(address, UnixAddress) else _bound_tcp(address)
    loop = asyncio.get_running_loop()
    try:
        if isinstance(address, UnixAddress):
            mark = os.stat(address.path).st_ino
            server = await loop.create_unix_server(protocols, sock=sock, ssl=ssl, backlog=BACKLOG)
        else:
            mark = 0
            server = await loop.create_server(protocols, sock=sock, ssl=ssl, backlog=BACKLOG)
    except BaseException:
        sock.close()
        raise
    try:
        if isinstance(address, TcpAddress):
            yield TcpAddress(address.host, server.sockets[0].getsockname()[1])
        else:
            yield address
    finally:
        server.close()
        if isinstance(address, UnixAddress):
            with suppress(FileNotFoundError):
                # A successor may have bound the path anew already.
                if os.stat(address.path).st_ino == mark:
                    os.unlink(address.path)


async def connect(
    address: Address,
    protocols: Protocols,
    *,
    ssl: SSLContext | None = None,
    server_name: str | None = None,
) -> asyncio.BaseTransport:
    """A connection to `address`; `server_name` is the name that its certificate must have.

    Raises:
        OSError: nobody is there, or TLS was not agreed on.
    """
    loop = asyncio.get_running_loop()
    if isinstance(address, UnixAddress):
        name = server_name or "localhost" if ssl is not None else None
        transport, _ = await loop.create_unix_connection(
            protocols, address.path, ssl=ssl, server_hostname=name
        )
        return transport
    name = server_name or address.host if ssl is not None else None
    transport, _ = await loop.create_connection(
        protocols, address.host, address.port, ssl=ssl, server_hostname=name
    )
    # A frame is written whole; waiting for more of it would only cost time.
    transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return transport


def _bound_tcp(address: TcpAddress) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # Those that are accepted inherit it.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((address.host, address.port))
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressTaken(error.errno, f"somebody listens on {address}") from error
        raise
    sock.setblocking(False)
    return sock


def _bound_unix(path: str) -> socket.socket:
    _clear(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        # Nobody can connect before `listen`.
        os.chmod(path, 0o600)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _clear(path: str) -> None:
    """Remove the socket file of a process that is gone.

    Raises:
        AddressTaken: it is not gone, or that is no socket.
    """
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise AddressTaken(errno.EEXIST, f"{path} is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # Not waited for: a full queue means that somebody is there, too.
        probe.setblocking(False)
        try:
            probe.connect(path)
        except (ConnectionRefusedError, FileNotFoundError):
            with suppress(FileNotFoundError):
                os.unlink(path)
            return
        except BlockingIOError:
            pass
    raise AddressTaken(errno.EADDRINUSE, f"somebody listens on {path}")
