"""Cells with a memory: a fixed reservoir, and a context to attend to."""
