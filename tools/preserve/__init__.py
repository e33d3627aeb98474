"""Preservation contracts: what agents must not change, and the one comparison that checks it."""
