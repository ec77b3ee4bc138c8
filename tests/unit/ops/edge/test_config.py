"""The edge's configuration says what its settings say, in the API's own words."""

from __future__ import annotations

import re
from hashlib import md5
from pathlib import Path

import msgspec
import pytest

from gateway.errors import TITLES
from ops.edge.nginx import nginx_config
from ops.edge.purge import cache_keys, cache_path
from ops.edge.settings import EdgeSettings
from sharding.errors import InvalidRequest


def config(edge_key="e" * 32, **settings):
    return nginx_config(
        EdgeSettings(**settings),
        listen="127.0.0.1:8081",
        origin="store:9000",
        bucket="k-media",
        link_secret="s" * 64,
        edge_key=edge_key,
    )


def test_every_bound_is_a_setting():
    text = config(
        cache_mib=77, lock_timeout_s=11, slice_bytes=4096, connections_per_address=13, workers=3
    )
    for line in (
        "max_size=77m",
        "proxy_cache_lock_timeout 11s;",
        "proxy_cache_lock_age 11s;",
        "slice 4096;",
        "limit_conn clients 13;",
        "worker_processes 3;",
        "listen 127.0.0.1:8081;",
        "server store:9000 max_conns=64 max_fails=0;",
    ):
        assert line in text


def test_braces_and_quotes_are_in_pairs():
    text = config()
    assert text.count("{") == text.count("}")
    assert text.count('"') % 2 == 0
    assert text.count("'") % 2 == 0


def test_refusals_are_problems_of_the_api():
    bodies = re.findall(r"return (\d+) '(.*)';", config())
    assert {int(status) for status, _ in bodies} == {400, 403, 404, 405, 410, 429, 503}
    for status, body in bodies:
        told = msgspec.json.decode(body)
        assert (told["status"], told["title"]) == (int(status), TITLES[int(status)])
        assert told["request_id"] == "$request_id"


def test_the_token_is_not_in_the_key_of_the_cache():
    (key,) = re.findall(r"proxy_cache_key (.*);", config())
    assert key == "$scope/$object$slice_range"


@pytest.mark.parametrize("base", ["/media", "/media/", "", "/"])
def test_the_base_ends_without_a_slash(base):
    (path,) = re.findall(r'location ~ "\^(.*?)/\(\?<signature>', config(base_path=base))
    assert path in ("/media", "")


@pytest.mark.parametrize("key", ["", "short", "x" * 20 + ";", "x" * 20 + "\n"])
def test_a_key_cannot_break_out_of_its_line(key):
    with pytest.raises(InvalidRequest):
        config(edge_key=key)


@pytest.mark.parametrize(
    ("size", "firsts"), [(0, [0]), (1, [0]), (100, [0]), (101, [0, 100]), (300, [0, 100, 200])]
)
def test_the_slices_of_an_object_cover_it(size, firsts):
    assert list(cache_keys("v/1/1/x", size, 100)) == [
        f"v/1/1/xbytes={first}-{first + 99}" for first in firsts
    ]


def test_a_slice_lies_where_nginx_puts_it():
    digest = md5(b"v/1/1/xbytes=0-99").hexdigest()
    path = cache_path(Path("/cache"), "v/1/1/xbytes=0-99")
    assert path == Path("/cache") / digest[31] / digest[29:31] / digest
