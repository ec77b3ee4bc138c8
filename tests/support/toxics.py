"""Links between a test and an engine that can be delayed, cut and reset (toxiproxy, told over HTTP)."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

#: How long the proxy may take to do as it is told, in seconds.
_TOLD_S = 5.0


@dataclass(frozen=True, slots=True)
class Link:
    """One way to one engine: connect to `listen` instead of `upstream`."""

    proxy: str
    name: str
    #: host:port, both.
    listen: str
    upstream: str

    def delay(self, latency_ms: int, jitter_ms: int = 0) -> None:
        """Hold up what the engine answers."""
        self._toxic("latency", {"latency": latency_ms, "jitter": jitter_ms})

    def silence(self) -> None:
        """Let nothing through in either direction, and close nothing: a cable that is out."""
        self._toxic("timeout", {"timeout": 0}, "upstream")
        self._toxic("timeout", {"timeout": 0}, "downstream")

    def reset(self) -> None:
        """Answer every connection with a TCP reset."""
        self._toxic("reset_peer", {"timeout": 0})

    def cut(self) -> None:
        """Close all connections and refuse new ones."""
        _tell(self.proxy, "POST", f"/proxies/{self.name}", {"enabled": False})

    def heal(self) -> None:
        """As if nothing had been."""
        for toxic in _tell(self.proxy, "GET", f"/proxies/{self.name}/toxics", None):
            _tell(self.proxy, "DELETE", f"/proxies/{self.name}/toxics/{toxic['name']}", None)
        _tell(self.proxy, "POST", f"/proxies/{self.name}", {"enabled": True})

    def _toxic(self, kind: str, attributes: Mapping[str, int], stream: str = "downstream") -> None:
        body = {"type": kind, "stream": stream, "attributes": dict(attributes)}
        _tell(self.proxy, "POST", f"/proxies/{self.name}/toxics", body)


def link(proxy: str, listen: str, upstream: str) -> Link:
    """A new link of the toxiproxy at `proxy`; all three are host:port."""
    name = listen.replace(":", "-")
    _tell(
        proxy,
        "POST",
        "/proxies",
        {"name": name, "listen": listen, "upstream": upstream, "enabled": True},
    )
    return Link(proxy, name, listen, upstream)


def _tell(proxy: str, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
    connection = http.client.HTTPConnection(proxy, timeout=_TOLD_S)
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        said = answer.read()
    finally:
        connection.close()
    assert answer.status < 300, f"toxiproxy: {method} {path}: {answer.status} {said.decode()}"
    return json.loads(said) if said else None
