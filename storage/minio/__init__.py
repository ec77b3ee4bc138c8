"""Blobs on an S3 server: MinIO in the fleet, any other that speaks the protocol elsewhere."""
