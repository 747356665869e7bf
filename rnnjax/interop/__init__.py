"""Weights in and out: exact conversion from and to other libraries, files, and artifacts."""

from ._disk import load as load
from ._disk import read_extra as read_extra
from ._disk import save as save
from ._equinox import from_equinox as from_equinox
from ._equinox import to_equinox as to_equinox
from ._export import export_model as export_model
from ._flax import from_linen as from_linen
from ._flax import from_nnx as from_nnx
from ._flax import to_linen as to_linen
from ._flax import to_nnx as to_nnx
from ._haiku import from_haiku as from_haiku
from ._haiku import to_haiku as to_haiku
from ._keras import from_keras as from_keras
from ._keras import to_keras as to_keras
from ._onnx import from_onnx as from_onnx
from ._onnx import to_onnx as to_onnx
from ._onnx_model import save_onnx as save_onnx
from ._torch import from_torch as from_torch
from ._torch import to_torch as to_torch
