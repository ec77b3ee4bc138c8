"""Who is in the fleet and where: read by all of its processes."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from actors.links.address import Address, BadAddress, parse_address
from ops.errors import CannotGoOn


class BadFleet(CannotGoOn):
    """The nodes of the fleet are not named as they must be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetSettings:
    """One fleet, as each of its processes sees it."""

    #: Every node as `name=unix:/path` or `name=tcp:host:port`, the same in all processes; the names are the
    #: seed of the shard table.
    nodes: tuple[str, ...] = ()
    #: Where a node listens, where that is not where others reach it (behind a proxy, or on all addresses of a
    #: container); like an address of `nodes`. Empty: the same.
    listen: str = ""
    #: Folder in which processes tell their supervisor that they are ready, and which life of theirs it is.
    run_dir: Path = Path("run")
    #: How long a process waits for an engine at its start, in seconds; then it ends with 69.
    engine_wait_s: float = 20.0
    #: How long a node waits for the shard table at its start, in seconds; then it goes by the seed.
    table_wait_s: float = 2.0
    #: Certificate, key and certificate authority of the link between gateways and nodes, as PEM files. All
    #: three or none; with them both sides prove who they are, and `tcp:` links are encrypted.
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None

    def listens(self, name: str) -> Address:
        """Where the node `name` listens.

        Raises:
            BadFleet: that is no address, or the node is not one of the fleet.
        """
        addresses = self.addresses()
        if name not in addresses:
            raise BadFleet(f"{name} is not in KINORA_FLEET_NODES ({', '.join(addresses)}).")
        try:
            return parse_address(self.listen or addresses[name])
        except BadAddress as error:
            raise BadFleet(f"KINORA_FLEET_LISTEN: {error}") from error

    def addresses(self) -> Mapping[str, str]:
        """Where each node is, by name.

        Raises:
            BadFleet: an entry is not of that form, or none is given.
        """
        found: dict[str, str] = {}
        for entry in self.nodes:
            name, _, address = entry.partition("=")
            try:
                parse_address(address)
            except BadAddress as error:
                raise BadFleet(f"KINORA_FLEET_NODES: {entry!r}: {error}") from error
            if not name or name in found:
                raise BadFleet(f"KINORA_FLEET_NODES: {entry!r} needs a name of its own.")
            found[name] = address
        if not found:
            raise BadFleet(
                "KINORA_FLEET_NODES is empty; name every node: node-0=unix:/run/node-0.sock"
            )
        return found
