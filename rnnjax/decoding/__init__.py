"""Decoding: sequences from a trained model's outputs.

| function | purpose |
|---|---|
| `generate` | continue a prompt, greedily or by sampling |
| `generate_frames` | continue frames of zeros and ones, such as the keys of a piano |
| `beam_search` | the likeliest continuations of a prompt |
| `sample_paths` | paths of a series from the distributions of the next value |
| `sample` | draw a token from logits |
| `filter_top_k`, `filter_top_p`, `filter_min_p` | truncate a distribution |
| `stream_step` | one step of many sessions at once |
| `ctc_greedy`, `ctc_beam` | the labels of CTC, along the best path or by prefix beam search |
| `ctc_align` | the likeliest alignment of known labels under CTC |
| `viterbi`, `crf_marginals` | the likeliest tags of a CRF, and the probability of each tag |
"""

from ._beam import Beams as Beams
from ._beam import beam_search as beam_search
from ._crf import crf_marginals as crf_marginals
from ._crf import viterbi as viterbi
from ._ctc import ctc_greedy as ctc_greedy
from ._ctc_align import ctc_align as ctc_align
from ._ctc_beam import ctc_beam as ctc_beam
from ._frames import generate_frames as generate_frames
from ._generate import generate as generate
from ._paths import sample_paths as sample_paths
from ._sampling import filter_min_p as filter_min_p
from ._sampling import filter_top_k as filter_top_k
from ._sampling import filter_top_p as filter_top_p
from ._sampling import sample as sample
from ._streaming import stream_step as stream_step
