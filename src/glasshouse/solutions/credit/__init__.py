"""Explain credit decisions, from the bank's raw tables to one decision with its reasons."""
