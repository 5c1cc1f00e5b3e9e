"""The decision ledger: append-only, chained, sealed, with personal fields that can be erased and nothing else that can."""

from glasshouse.kernel.ledger.keeping import Ledger, LedgerUnavailable, Reader, TooLarge, Unusable
from glasshouse.kernel.ledger.records import Draft, Entry

__all__ = ["Draft", "Entry", "Ledger", "LedgerUnavailable", "Reader", "TooLarge", "Unusable"]
