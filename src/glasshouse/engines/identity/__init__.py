"""Who the keys belong to."""
