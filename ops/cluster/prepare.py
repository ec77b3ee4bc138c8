"""What compose.yaml does first, once: secrets, and the edge's configuration, on the volumes that share them.

    python -m ops.cluster.prepare DATA_DIR EDGE_DIR LISTEN ORIGIN

`kinora cluster up` does the same within its folder. Repeatable: secrets are made once and kept.
"""

import sys
from pathlib import Path

from actors.media_links import EdgeLinks
from ops.cluster.record import text_secret
from ops.data_dir import DataDir
from ops.edge.nginx import nginx_config
from ops.edge.settings import EdgeSettings
from storage.minio.layout import Layout
from storage.minio.settings import MinioSettings


def edge_text(data: Path, *, listen: str, origin: str, cache_folder: str) -> str:
    """nginx's configuration from the secrets below `data`, which are made on first use.

        media-links.key   what gateways sign addresses with, and the edge verifies
        edge.key          what the edge shows the object store, whose policy names it

    Raises:
        DataDirUnusable: a secret cannot be read or written.
        OSError: the same.
    """
    links = EdgeLinks("", DataDir(data).secret("media-links.key"))
    return nginx_config(
        EdgeSettings(cache_folder=cache_folder),
        listen=listen,
        origin=origin,
        bucket=Layout.of(MinioSettings().bucket_prefix).media,
        link_secret=links.secret,
        edge_key=text_secret(data / "secrets" / "edge.key"),
    )


def main(arguments: list[str]) -> int:
    """Prepare the two folders."""
    data, edge = map(Path, arguments[:2])
    listen, origin = arguments[2:]
    (data / "secrets").mkdir(mode=0o700, exist_ok=True)
    text_secret(data / "secrets" / "minio")
    (edge / "tmp").mkdir(exist_ok=True)
    config = edge / "nginx.conf"
    config.write_text(edge_text(data, listen=listen, origin=origin, cache_folder="cache"))
    # It holds the secret that addresses are signed with.
    config.chmod(0o600)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
