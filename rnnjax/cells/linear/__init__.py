"""Linear cells: `h' = a h + b`, where `a` and `b` know only the input."""
