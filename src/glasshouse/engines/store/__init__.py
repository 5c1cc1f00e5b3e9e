"""The metadata store: one schema, one set of statements, two databases."""
