"""Whole journeys, written against the public interface only."""
