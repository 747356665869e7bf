"""Cells that hold cells: stacks, shortcuts and regularisers."""
