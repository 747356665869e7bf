import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Compiling many small programs is what takes the time here. What XLA makes of a program is tested
# all the same: only the code generator below it does less. The slow tests have all of it.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

# Only these import other libraries: the scripts that made stored numbers, and live comparisons.
collect_ignore_glob = ["make_*.py", "live"]
