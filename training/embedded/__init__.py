"""The embedded demo model: its curriculum, trainer and evaluation.

A small network that this project trains from scratch, so that the real path runs on any machine.
"""
