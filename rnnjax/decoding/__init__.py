"""Decoding: sequences from a trained model's outputs.

| function | purpose |
|---|---|
| `generate` | continue a prompt, greedily or by sampling |
| `sample` | draw a token from logits |
| `filter_top_k`, `filter_top_p`, `filter_min_p` | truncate a distribution |
| `stream_step` | one step of many sessions at once |
"""

from ._generate import generate as generate
from ._sampling import filter_min_p as filter_min_p
from ._sampling import filter_top_k as filter_top_k
from ._sampling import filter_top_p as filter_top_p
from ._sampling import sample as sample
from ._streaming import stream_step as stream_step
