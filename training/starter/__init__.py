"""A dataset to begin with: what every crew should know, written by this project."""
