"""The decision ledger's format and its verifier: the standard library alone, nothing of the platform.

Copy this folder to any machine with Python 3.11 and run `python -m glassproof LEDGER --anchor FILE`.
"""
