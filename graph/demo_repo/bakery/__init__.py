"""Sums for a small bakery."""
