import os

os.environ.setdefault("JAX_PLATFORMS", "cpu")

collect_ignore = ["make_torch_numbers.py"]  # a script, and the only file that imports PyTorch
