"""The gate: an adapter is measured as it would be served, and promoted only on evidence."""
