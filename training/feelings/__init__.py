"""The classifier of feelings: its corpus, its trainer and its evaluation."""
