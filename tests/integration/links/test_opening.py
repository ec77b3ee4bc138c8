"""Sockets of the link: whose they are, what a dead process left, and TLS."""

from __future__ import annotations

import asyncio
import datetime
import socket
import ssl
import stat
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from actors.links import opening
from actors.links.address import TcpAddress, UnixAddress, parse_address
from actors.links.opening import AddressTaken, open_door
from actors.messages import Caller, GetFeed
from sharding.errors import Unavailable
from tests.integration.links.diary import PAGE, Diary, open_client, open_node


async def test_a_socket_file_is_its_owners_and_goes_with_the_door(tmp_path):
    path = tmp_path / "n.sock"
    async with open_door(UnixAddress(str(path)), asyncio.Protocol):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not path.exists()


async def test_what_a_dead_process_left_is_replaced(tmp_path):
    path = tmp_path / "n.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
        left.listen()
    async with open_door(UnixAddress(str(path)), asyncio.Protocol):
        transport = await opening.connect(UnixAddress(str(path)), asyncio.Protocol)
        transport.close()
        await asyncio.sleep(0.01)


async def test_what_somebody_listens_on_is_not_taken(tmp_path):
    address = UnixAddress(str(tmp_path / "n.sock"))
    async with open_door(address, asyncio.Protocol):
        with pytest.raises(AddressTaken, match="somebody listens"):
            async with open_door(address, asyncio.Protocol):
                pass
    async with open_door(TcpAddress("127.0.0.1", 0), asyncio.Protocol) as bound:
        with pytest.raises(AddressTaken):
            async with open_door(bound, asyncio.Protocol):
                pass


async def test_what_is_no_socket_is_left_alone(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("mine")
    with pytest.raises(AddressTaken, match="no socket"):
        async with open_door(UnixAddress(str(path)), asyncio.Protocol):
            pass
    assert path.read_text() == "mine"


async def test_a_successor_keeps_its_file_when_the_old_door_closes(tmp_path):
    path = tmp_path / "n.sock"
    async with open_door(UnixAddress(str(path)), asyncio.Protocol):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as successor:
            successor.bind(str(path))
    assert path.exists()


async def test_asks_over_tcp_do_not_wait_for_more(tmp_path):
    async with open_node("tcp:127.0.0.1:0", Diary()) as node, open_client(node.address) as client:
        assert await client.ask(1, GetFeed(), Caller()) == PAGE
        link = client._links["n1"]
        sock = link._line._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def certificate(name):
    """A key and a certificate that vouches for itself, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private, made.public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def secrets(tmp_path):
    """Contexts of a node and of a gateway that know each other."""
    folder = tmp_path / "tls"
    folder.mkdir()
    for name in ("node", "gateway"):
        key, pem = certificate(name)
        (folder / f"{name}.key").write_bytes(key)
        (folder / f"{name}.pem").write_bytes(pem)
    node = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "gateway.pem")
    node.verify_mode = ssl.CERT_REQUIRED
    gateway = ssl.create_default_context(cafile=folder / "node.pem")
    for name, context in (("node", node), ("gateway", gateway)):
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return node, gateway


@pytest.mark.parametrize("where", ["tcp:127.0.0.1:0", "unix:{}/n.sock"])
async def test_both_sides_prove_who_they_are(tmp_path, secrets, where):
    node_tls, gateway_tls = secrets
    connect = partial(opening.connect, ssl=gateway_tls, server_name="node")
    async with (
        open_node(where.format(tmp_path), Diary(), ssl=node_tls) as node,
        open_client(node.address, connect=connect) as client,
    ):
        caller = Caller(deadline=asyncio.get_running_loop().time() + 5)
        assert await client.ask(1, GetFeed(), caller) == PAGE


@pytest.mark.parametrize("wrong", ["no certificate", "another name", "no TLS at all"])
async def test_who_does_not_prove_it_is_not_talked_to(secrets, wrong):
    node_tls, gateway_tls = secrets
    more = {"ssl": gateway_tls, "server_name": "somebody" if wrong == "another name" else "node"}
    if wrong == "no certificate":
        more["ssl"] = ssl.create_default_context()
        more["ssl"].check_hostname = False
        more["ssl"].verify_mode = ssl.CERT_NONE
    if wrong == "no TLS at all":
        more = {}
    async with (
        open_node("tcp:127.0.0.1:0", Diary(), ssl=node_tls) as node,
        open_client(node.address, connect=partial(opening.connect, **more)) as client,
    ):
        caller = Caller(deadline=asyncio.get_running_loop().time() + 0.5)
        with pytest.raises(Exception) as refused:  # noqa: PT011 - one of two, looked at below
            await client.ask(1, GetFeed(), caller)
        assert getattr(refused.value, "executed", None) is False
        assert not client.up("n1")


async def test_a_door_that_is_not_there_is_waited_for_and_then_refused(tmp_path):
    async with open_client(f"unix:{tmp_path}/none.sock") as client:
        with pytest.raises(Unavailable) as refused:
            await client.ask(1, GetFeed(), Caller())
        assert refused.value.executed is False


async def test_addresses_that_were_bound_can_be_read_back():
    async with open_node("tcp:127.0.0.1:0", Diary()) as node:
        bound = parse_address(node.address)
        assert isinstance(bound, TcpAddress)
        assert bound.port > 0
