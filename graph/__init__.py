"""Wiring: state, graphs, settings and the command line. The work is done below."""
