"""Exact explanations side by side with the libraries that make them too, in one run."""
