"""Decoding: turning a trained model's outputs into sequences."""

from ._generate import generate as generate
from ._streaming import stream_step as stream_step
