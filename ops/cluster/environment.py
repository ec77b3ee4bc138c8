"""What every process of Kinora is told: the settings of whoever typed `up`, and where everything is.

Where things are wins over what the environment said: `KINORA_REDIS_NODES` of a shell must not lead the
fleet of this folder to somebody else's Redis.
"""

from collections.abc import Mapping

from ops.cluster.record import Cluster, ClusterFolder
from ops.engines.cassandra import addresses
from ops.engines.ports import LOOPBACK

#: Who writes to the object store.
MINIO_ACCESS_KEY = "kinora"
#: Its target for events, as `ops.engines.minio` configures it.
NOTIFY_ARN = "arn:minio:sqs:us-east-1:KINORA:nats"


def process_environment(
    cluster: Cluster, folder: ClusterFolder, environ: Mapping[str, str]
) -> dict[str, str]:
    """The environment of a gateway, a node or a media worker."""
    ports = cluster.ports
    nodes = (f"{name}=unix:{folder.run / name}.sock" for name in cluster.names("node"))
    ours = {
        "KINORA_HOST": cluster.host,
        "KINORA_PORT": str(cluster.port),
        "KINORA_METRICS_PORT": "0",
        "KINORA_DATA_DIR": str(folder.data),
        "KINORA_FLEET_NODES": ",".join(nodes),
        "KINORA_FLEET_RUN_DIR": str(folder.run),
        "KINORA_REDIS_NODES": ",".join(f"{LOOPBACK}:{port}" for port in ports.redis),
        "KINORA_CASSANDRA_CONTACT_POINTS": ",".join(
            f"{address}:{ports.cassandra}" for address in addresses(cluster.shape.cassandra)
        ),
        "KINORA_CASSANDRA_REPLICATION": str(cluster.shape.cassandra),
        "KINORA_NATS_SERVERS": f"nats://{LOOPBACK}:{ports.nats}",
        "KINORA_MINIO_ENDPOINT": f"{LOOPBACK}:{ports.minio}",
        "KINORA_MINIO_ACCESS_KEY": MINIO_ACCESS_KEY,
        "KINORA_MINIO_SECRET_KEY_FILE": str(folder.minio_secret),
        "KINORA_MINIO_NOTIFY_ARN": NOTIFY_ARN,
        "KINORA_EDGE_CACHE_FOLDER": folder.edge_cache,
        "KINORA_EDGE_URL": f"http://{LOOPBACK}:{ports.nginx}",
    }
    # A secret that is given twice, by value and by file, is refused.
    theirs = {name: text for name, text in environ.items() if name != "KINORA_MINIO_SECRET_KEY"}
    return {**theirs, **ours}
