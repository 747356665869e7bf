"""Converting plain arrays needs no other library: the examples of all converters do without."""

import os
import subprocess
import sys

WATCH = """
import sys

class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in {"torch", "keras", "tensorflow", "haiku", "equinox", "onnx", "onnxruntime"}:
            print("imports", name)

sys.meta_path.insert(0, Watch())
"""

EXAMPLES = """
import doctest
from rnnjax import interop

for name, function in vars(interop).items():
    if name.startswith(("from_", "to_")):
        names = vars(sys.modules[function.__module__])
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        doctest.run_docstring_examples(function, names, optionflags=flags)
"""

IMPORT = """
try:
    import torch
except ImportError:
    pass
"""


def output(code):
    # JAX's cache of compiled programs looks for TensorFlow itself.
    env = {name: value for name, value in os.environ.items() if "CACHE" not in name}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    return done.returncode, done.stdout, done.stderr


def test_no_example_of_a_converter_imports_another_library():
    assert output(WATCH + EXAMPLES) == (0, "", "")


def test_an_import_is_seen():
    assert output(WATCH + IMPORT) == (0, "imports torch\n", "")
