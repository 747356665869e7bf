"""The runs of applications on standard sets, and published numbers beside them."""

import sys
from pathlib import Path
from typing import NamedTuple


class Standard(NamedTuple):
    """A run on a standard set.

    Attributes:
        application: the name of its command.
        data: the name of the set.
        options: the other options of `train`.
        seeds: number of runs.
        minutes: about how long one of them takes on two cores.
        published: numbers by measure and source.
        variant: what tells it from other runs on the same set.
    """

    application: str
    data: str
    options: str
    seeds: int
    minutes: int
    published: dict[str, dict[str, float]] = {}
    variant: str = ""

    def command(self, seed: int, out: Path) -> list[str]:
        """The command of one run."""
        words = ["train", "--data", self.data, "--seed", str(seed), "--out", str(out)]
        return [sys.executable, "-m", "rnnjax", self.application, *words, *self.options.split()]


# LSTMa and LSTnet: H. Zhou et al., Informer, AAAI 2021, as in table 14 of A. Gu, K. Goel, C. Ré,
# Efficiently modeling long sequences with structured state spaces, ICLR 2022. Linear: the best row
# on the benchmark page of A. Zeng et al., Are transformers effective for time series forecasting?,
# AAAI 2023.
LSTM, LSTNET, LINEAR = "Zhou et al. 2021, LSTMa", "Zhou et al. 2021, LSTnet", "Zeng et al. 2023"
# Nats a frame of networks with independent keys: S. Bai, J. Kolter, V. Koltun, An empirical
# evaluation of generic convolutional and recurrent networks for sequence modeling, 2018; J. Chung
# et al., Empirical evaluation of gated recurrent neural networks on sequence modeling, 2014;
# R. Zakovskis et al., Gates are not what you need in RNNs, 2021. Of conditional densities:
# N. Boulanger-Lewandowski et al., ICML 2012, as in C.-Z. A. Huang et al., Counterpoint by
# convolution, 2017.
CHORALES = {
    "independent": {
        "Bai et al. 2018": 8.45,
        "Chung et al. 2014": 8.67,
        "Zakovskis et al. 2021": 8.33,
    },
    "conditional": {"RNN-RBM, 2012": 6.27, "RNN-NADE, 2012": 5.56},
}
PIANO = {"Zakovskis et al. 2021, LSTM": 7.54, "Zakovskis et al. 2021, GRU": 7.58}
ETTH1 = (
    (24, 4, (LSTM, LSTNET), {"MSE": (0.650, 1.293), "MAE": (0.624, 0.901)}),
    (48, 4, (LSTM, LSTNET), {"MSE": (0.702, 1.456), "MAE": (0.675, 0.960)}),
    (96, 4, (LINEAR,), {"MSE": (0.374,), "MAE": (0.394,)}),
    (168, 5, (LSTM, LSTNET), {"MSE": (1.212, 1.997), "MAE": (0.867, 1.214)}),
    (336, 6, (LSTM, LSTNET, LINEAR), {"MSE": (1.424, 2.655, 0.429), "MAE": (0.994, 1.369, 0.427)}),
    (720, 9, (LSTM, LSTNET, LINEAR), {"MSE": (1.960, 2.143, 0.440), "MAE": (1.322, 1.380, 0.453)}),
)

# Table 1 of Bai et al. 2018, and the table of sequential images in Gu, Goel, Ré, 2022.
GATED = (
    "Bai et al. 2018, LSTM",
    "Bai et al. 2018, GRU",
    "Bai et al. 2018, TCN",
    "Gu et al. 2022, LSTM",
)
REMEMBERED = {
    "adding": (0.164, 5.3e-5, 5.8e-5),  # mean squared errors at 600 steps
    "copy": (0.0204, 0.0197, 3.5e-5),  # nats per step at 1000 blanks
    "pixels": (0.872, 0.962, 0.990, 0.989),  # accuracies
    "permuted": (0.857, 0.873, 0.972, 0.9511),
}

RUNS = (
    Standard(
        "longterm",
        "adding",
        "--length 600 --hidden 130 --batch 50 --steps 3000",
        seeds=1,
        minutes=15,
        published={"mean squared error": dict(zip(GATED, REMEMBERED["adding"], strict=False))},
        variant="600 numbers",
    ),
    Standard(
        "longterm",
        "copy",
        "--length 1000 --cell LRU --hidden 128 --radius 0.998 --learning-rate 3e-3 --steps 600",
        seeds=1,
        minutes=10,
        published={"nats per step": dict(zip(GATED, REMEMBERED["copy"], strict=False))},
        variant="1000 blanks",
    ),
    *(
        Standard(
            "longterm",
            "mnist",
            f"--read {read} --cell GRU --hidden 128 --batch 100 --steps {steps}",
            seeds=1,
            minutes=steps // 150,
            published={"accuracy": dict(zip(GATED, REMEMBERED[read], strict=False))},
            variant=read,
        )
        for read, steps in (("pixels", 5400), ("permuted", 3600))
    ),
    Standard(
        "music",
        "chorales",
        "--head independent --hidden 200 --dropout 0.5 --input-dropout 0.2 --learning-rate 2e-2 "
        "--average 0 --steps 1700",
        seeds=3,
        minutes=1,
        published={"nats a frame": CHORALES["independent"]},
        variant="independent keys",
    ),
    Standard(
        "music",
        "chorales",
        "--hidden 200 --units 64 --batch 16 --dropout 0.5 --input-dropout 0.1 --learning-rate 1e-2 "
        "--steps 1500",
        seeds=1,
        minutes=5,
        published={"nats a frame": CHORALES["conditional"]},
        variant="autoregressive keys",
    ),
    Standard(
        "music",
        "piano",
        "--head independent --hidden 256 --batch 16 --dropout 0.3 --learning-rate 1e-2 "
        "--transpose 5 --steps 2000",
        seeds=1,
        minutes=3,
        published={"nats a frame": PIANO},
        variant="independent keys",
    ),
    Standard(
        "music",
        "piano",
        "--hidden 256 --batch 16 --dropout 0.3 --learning-rate 1e-2 --transpose 5 --steps 1500",
        seeds=1,
        minutes=20,
        variant="autoregressive keys",
    ),
    Standard(
        "memory",
        "mackey-glass",
        "--model echo",
        seeds=3,
        minutes=1,
        published={
            "NRMSE after 84 steps": {
                "Jaeger 2001, 400 units, 3000 values": 0.00028,
                "Jaeger 2001, 400 units, 21000 values": 0.00012,
                "local models, after Jaeger 2001": 0.0088,
            }
        },
    ),
    Standard(
        "memory", "mnist", "--patterns 50 --noise 0.3", seeds=3, minutes=1, variant="pseudo-inverse"
    ),
    Standard(
        "memory",
        "mnist",
        "--model modern --patterns 50 --noise 0.3",
        seeds=3,
        minutes=1,
        variant="modern network",
    ),
    Standard(
        "sentiment",
        "films",
        "--embedding 300 --hidden-words 0.1 --embedding-dropout 0.5 --least 1 --steps 534",
        seeds=3,
        minutes=1,
        published={"accuracy": {"Kim 2014, random vectors": 0.761}},
    ),
    Standard(
        "speech",
        "digits",
        "--hidden 128 --steps 1750",
        seeds=1,
        minutes=5,
    ),
    *(
        Standard(
            "forecast",
            "etth1",
            "--model direct --context 336 --hidden 128 --dropout 0.5 --batch 256 "
            f"--learning-rate 1e-3 --horizon {horizon} --steps 600",
            seeds=1,
            minutes=minutes,
            published={
                measure: dict(zip(sources, numbers, strict=True))
                for measure, numbers in published.items()
            },
            variant=f"{horizon} hours",
        )
        for horizon, minutes, sources, published in ETTH1
    ),
    Standard(
        "forecast",
        "etth1",
        "--context 168 --steps 800",
        seeds=3,
        minutes=1,
        variant="24 hours, paths",
    ),
    Standard(
        "tagging",
        "conll2000",
        "--hidden 200 --steps 5000",
        seeds=1,
        minutes=9,
        published={
            "F1 of chunks": {
                "Huang et al. 2015, random vectors": 0.9413,
                "Huang et al. 2015, Senna vectors": 0.9446,
            }
        },
    ),
    Standard(
        "text",
        "shakespeare",
        "--hidden 512 --dropout 0.4 --steps 8000",
        seeds=1,
        minutes=13,
        published={"bits per character": {"Feng et al. 2024, minGRU": 2.233}},
    ),
    Standard(
        "text",
        "shakespeare",
        "--unit words --hidden 256 --embedding 256 --tied --dropout 0.5 --per-sequence "
        "--steps 1500",
        seeds=1,
        minutes=5,
    ),
    Standard(
        "translation",
        "multi30k",
        "--hidden 512 --embedding 256 --dropout 0.4 --learning-rate 1e-3 --minutes 32",
        seeds=1,
        minutes=36,
        published={"perplexity": {"B. Trevett, GRU with attention": 25.6}},
    ),
    Standard(
        "video",
        "digits",
        "--learning-rate 1e-2 --steps 1800",
        seeds=3,
        minutes=2,
        variant="next ten frames",
    ),
    Standard(
        "video",
        "digits",
        "--goal classify --steps 15000",
        seeds=3,
        minutes=2,
        variant="classes",
    ),
)
TINY = Standard("sentiment", "made", "--hidden 4 --embedding 4 --steps 2", seeds=1, minutes=1)
