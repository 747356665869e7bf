"""Cells without gates."""
