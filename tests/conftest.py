import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

# Only these import other libraries: the scripts that made stored numbers, and live comparisons.
collect_ignore_glob = ["make_*.py", "live"]
