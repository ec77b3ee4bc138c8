"""The fleet's benchmarks: one cluster on real engines, one gateway, one node, all figures from one run."""
