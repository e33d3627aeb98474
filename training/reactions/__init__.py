"""The classifier of reactions: its corpus, its trainer and its evaluation."""
