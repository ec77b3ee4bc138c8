"""The Lua scripts, by name: their text, their hash, and the command that runs them."""

from dataclasses import dataclass, field
from hashlib import sha1
from importlib.resources import files

from storage.redis.port import Command


@dataclass(frozen=True, slots=True)
class Script:
    """One script that Redis keeps under the hash of its text."""

    text: bytes
    sha: bytes = field(init=False)

    def __post_init__(self) -> None:
        digest = sha1(self.text, usedforsecurity=False).hexdigest()
        object.__setattr__(self, "sha", digest.encode())

    def call(self, keys: tuple[bytes, ...], args: tuple[bytes, ...]) -> Command:
        """The command that runs it; a script always has a key, by which clusters route."""
        return (b"EVALSHA", self.sha, b"%d" % len(keys), *keys, *args)

    def load(self) -> Command:
        """The command that makes a node know it."""
        return (b"SCRIPT", b"LOAD", self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripts:
    """All scripts of the adapter."""

    commit: Script
    install: Script
    renew: Script
    seal: Script
    spend: Script

    @property
    def every(self) -> tuple[Script, ...]:
        """What a new connection makes its node know."""
        return (self.commit, self.install, self.renew, self.seal, self.spend)


def read_scripts() -> Scripts:
    """The scripts that lie beside this file."""
    folder = files("storage.redis")
    names = ("commit", "install", "renew", "seal", "spend")
    return Scripts(**{name: Script(folder.joinpath(f"{name}.lua").read_bytes()) for name in names})
