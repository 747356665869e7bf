"""Cells whose memory is guarded by gates."""
