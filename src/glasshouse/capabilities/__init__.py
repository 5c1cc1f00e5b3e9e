"""The lifecycle, one folder a stage. Capabilities never import each other."""
