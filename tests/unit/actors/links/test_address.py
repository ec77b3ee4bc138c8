"""Addresses of nodes are read in one place, and what is none is told so."""

from __future__ import annotations

import pytest

from actors.links.address import BadAddress, TcpAddress, UnixAddress, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("unix:/run/kinora/node.sock", UnixAddress("/run/kinora/node.sock")),
        ("tcp:node-1.internal:7000", TcpAddress("node-1.internal", 7000)),
        ("tcp:127.0.0.1:0", TcpAddress("127.0.0.1", 0)),
        ("tcp:[::1]:65535", TcpAddress("::1", 65535)),
    ],
)
def test_an_address_is_read_and_written_the_same(text, address):
    assert parse_address(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "node:7000",
        "unix:relative",
        "unix:",
        "unix:/" + "x" * 107,
        "tcp:host",
        "tcp::7000",
        "tcp:host:",
        "tcp:host:65536",
        "tcp:host:-1",
        "tcp:host:x",
        "tcp:::1:7000",
        "tcp:[host]:7000",
        "http://host:7000",
    ],
)
def test_what_is_no_address_is_told_so(text):
    with pytest.raises(BadAddress):
        parse_address(text)
