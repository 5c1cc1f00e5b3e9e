"""One folder a seam, one file a product. Engines know their port and nothing of each other."""
