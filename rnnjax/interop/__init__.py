"""Weights in and out: exact conversion from and to other libraries, files, and artifacts."""
