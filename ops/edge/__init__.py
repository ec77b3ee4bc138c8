"""The edge of the fleet: nginx between the world and the media bucket, its cache, and what keeps that honest."""
