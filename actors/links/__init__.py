"""The link between gateways and nodes: one multiplexed stream of frames, its two ends, and its bounds."""
