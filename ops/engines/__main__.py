"""`python -m ops.engines`: what `make engines` calls."""

import sys

from ops.cli import main

if __name__ == "__main__":
    sys.exit(main(["engines", *(sys.argv[1:] or ["install"])]))
