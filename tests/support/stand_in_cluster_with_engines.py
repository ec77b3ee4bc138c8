"""The supervisor of a cluster with real engines, over stand-ins: `program` for `ops.cluster.start.up`."""

import sys
from pathlib import Path

from ops.cluster.program import main
from tests.support.stand_in_cluster import KINORA

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), kinora=KINORA))
