"""The nights, measured: 30 rules in five of them, asked about without retrieval."""
