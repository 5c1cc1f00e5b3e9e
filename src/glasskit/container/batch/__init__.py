"""Batch transform: feeds files to a model server, record by record, and writes what it answers in the same order."""
