"""Cursor's door. Nothing is served from here yet."""
