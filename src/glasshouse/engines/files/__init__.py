"""Where blobs are kept: a local directory, or any S3. One file per product, one conformance suite for all."""
