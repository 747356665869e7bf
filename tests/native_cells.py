"""Users' own staged cells, with stages of all forms that are compiled."""

import jax
import jax.numpy as jnp
import numpy as np
from native_loops import Own


def made(name, **stages):
    """A class of cells with other stages than `Own`."""
    return type(name, (Own,), {"__module__": __name__, "__annotations__": {}, **stages})


def updating(function, **stages):
    """A cell whose update is a function of the pre-activation, the carry and the bias."""
    name = getattr(function, "__name__", "updating")
    return made(name, update=lambda self, w, c, s: function(s, c, w["b"]), **stages)()


def shaped(**more):
    """Parameters beside the input and recurrent weights, of constant shapes."""
    return lambda self, inputs: {
        "w_x": (inputs, self.size),
        "w_h": (self.size, self.size),
        **more,
    }


def carries(*sizes):
    """A carry of several parts of these sizes."""
    return lambda self, weights, batch_shape=(): tuple(
        jnp.zeros((*batch_shape, size)) for size in sizes
    )


FAST, SLOW = [], []


def fast(cell):
    FAST.append(cell)
    return cell


def slow(cell):
    SLOW.append(cell)
    return cell


# Elementwise work and sums over features.


@slow
@updating
def layer_norm(s, c, b):
    mean = s.mean(-1, keepdims=True)
    variance = jnp.square(s - mean).mean(-1, keepdims=True)
    return jnp.tanh((s - mean) * jax.lax.rsqrt(variance + 1e-3) + b)


@fast
@updating
def normed_and_softmax(s, c, b):
    s = (s - s.mean(-1, keepdims=True)) / jnp.linalg.norm(s, axis=-1, keepdims=True)
    return jax.nn.softmax(s + b) * c + jax.nn.softmax(c) - c.min(-1, keepdims=True)


@slow
@updating
def rectified(s, c, b):
    return jnp.maximum(jnp.maximum(s, b), -jax.nn.relu(c)) + jnp.minimum(s, c)


@fast
@updating
def cut_and_joined(s, c, b):
    ends = c[..., 2:3] * s[..., 1:2], jnp.sin(c[..., -1:] + s[..., :1])
    return jnp.concatenate([ends[0], jnp.tanh(s[..., 1:-1]), ends[1]], -1) + 0.5 * jnp.roll(
        c, 2, -1
    )


@fast
@updating
def conditional(s, c, b):
    odd = (s > 0) & ~(c < b) | (jnp.abs(s) > 1)
    other = jnp.where(odd ^ (s > c), c * s, b)
    return jnp.where(odd, jnp.sin(s), other) * odd.astype(s.dtype) + jnp.clip(s, -0.5, 0.5)


@slow
@updating
def powers(s, c, b):
    tamed = 1 / (1 + s**2) + (2 + jnp.abs(c)) ** -2 + jnp.tanh(s) ** 5
    return tamed + b**2 + jnp.abs(s) ** 1.5 + 0.1 * s**3 + jnp.sign(s) + jnp.floor(s) % 0.7


@slow
@updating
def functions(s, c, b):
    parts = jnp.exp(-s * s), jnp.log1p(s * s), jnp.expm1(c), jax.nn.softplus(s), jnp.exp2(c)
    return jnp.tanh(sum(parts)) + jnp.arctan2(s, c) + jax.nn.sigmoid(c) * jnp.cos(s) + b


@slow
@updating
def constants(s, c, b):
    return jnp.tanh(s) + jnp.arange(5) * 0.1 + np.pi


# Products.


def recurring(function, **stages):
    """A cell whose `recur` is a function of the weights, the carry and the projection."""

    def recur(self, weights, carry, z):
        return function(weights, carry, z)

    return made(function.__name__, recur=recur, **stages)()


@fast
@recurring
def function_of_a_product(w, c, z):
    return z + jnp.tanh(c @ w["w_h"])


@fast
@recurring
def product_of_a_function(w, c, z):
    return z + jnp.tanh(c) * jnp.tanh(jnp.sin(c) @ w["w_h"])


@slow
@recurring
def products_of_slices(w, c, z):
    turned = jnp.concatenate([c[..., 3:], c[..., :3]], -1)
    few = jnp.concatenate([c[..., 1:2] * c[..., 2:3], c[..., 1:2]], -1)
    return z + turned @ w["w_h"] + c[..., 1:3] @ w["w_h"][1:3] + few @ w["w_h"][:2]


@slow
@recurring
def transposed_and_used_twice(w, c, z):
    return z + jnp.sin(c) @ w["w_h"] + c @ w["w_h"].T


@slow
@recurring
def squeezed(w, c, z):
    return z + c[..., None][..., 0] @ w["w_h"]


def _two_layers(self, w, xs):
    z = jnp.concatenate([xs @ w["w_x"], jnp.tanh(xs @ w["w_y"])], -1)
    return z, z @ w["w_z"]


# A concatenation that is a pre-activation, and projected again.
fast(
    made(
        "projected_twice",
        shapes=lambda self, inputs: {
            **shaped()(self, inputs),
            "w_y": (inputs, self.size),
            "w_z": (2 * self.size, self.size),
        },
        project=_two_layers,
        recur=lambda self, w, c, z: (z[0], z[1] + c @ w["w_h"]),
        update=lambda self, w, c, s: jnp.tanh(s[1]) + s[0][..., :5] * s[0][..., 5:],
    )()
)

slow(
    made(
        "two_products",
        num_products=2,
        shapes=lambda self, inputs: {"w_x": (inputs, 10), "w_h": (5, 5), "w_g": (5, 5)},
        project=lambda self, w, xs: jnp.split(xs @ w["w_x"], 2, -1),
        recur=lambda self, w, c, z, *s: (
            z[1] + (jnp.tanh(s[0]) * c) @ w["w_g"] if s else z[0] + c @ w["w_h"]
        ),
        update=lambda self, w, c, a, b: jnp.tanh(b) * jax.nn.sigmoid(a) + c / 2,
    )()
)
slow(
    made(
        "weights_in_update",
        update=lambda self, w, c, s: jnp.tanh(
            s + w["w_h"].sum(0) * c + w["w_h"][0] * w["w_h"][:, 1]
        ),
    )()
)

# Parts of the carry, and what becomes of them.

fast(
    made(
        "swapped_kept_and_constant",
        init_carry=carries(5, 5, 5, 5, 5),
        recur=lambda self, w, c, z: z + c[0] @ w["w_h"],
        update=lambda self, w, c, s: (
            *(c[1], c[0], c[2], jnp.zeros_like(s)),
            jnp.tanh(s + c[4] + c[3] + c[1]),
        ),
        readout=lambda self, w, c, x: {"a": c[0] + c[4] * c[2], "b": c[4], "again": c[4], "x": x},
        output_size=property(lambda self: {"a": 5, "b": 5, "again": 5, "x": 3}),
    )()
)
fast(
    made(
        "threshold",  # a pre-activation with one feature, read by many features
        shapes=shaped(w_t=(3, 1)),
        init_carry=carries(5, 1),
        project=lambda self, w, xs: (xs @ w["w_x"], xs @ w["w_t"]),
        recur=lambda self, w, c, z: (z[0] + c[0] @ w["w_h"], z[1]),
        update=lambda self, w, c, s: (
            jnp.where(s[1] > 0, jnp.tanh(s[0]), c[0]) * jax.lax.stop_gradient(s[1]),
            c[1] / 2 + s[1] * s[1],
        ),
        readout=lambda self, w, c, x: c[0] + c[1],
    )()
)
slow(
    made(
        "one_feature",
        size=1,
        shapes=lambda self, inputs: {"w_x": (inputs, 2), "w_h": (1, 2)},
        init_carry=lambda self, w, batch_shape=(): jnp.zeros((*batch_shape, 1)),
        output_size=1,
        project=lambda self, w, xs: xs @ w["w_x"],
        recur=lambda self, w, c, z: tuple(jnp.split(z + c @ w["w_h"], 2, -1)),
        update=lambda self, w, c, s: s[0] * s[1] + jnp.sin(s[1]) * c,
    )()
)
slow(
    made(
        "same_twice",
        init_carry=carries(5, 5),
        recur=lambda self, w, c, z: (z + c[0] @ w["w_h"],) * 2,
        update=lambda self, w, c, s: (jnp.tanh(s[0] * s[1]),) * 2,
        readout=lambda self, w, c, x: c[0] * c[1],
    )()
)

# Constants with an axis of one entry, where JAX does not write out the broadcast.


def _grouped(self, w, c, s):
    return jnp.tanh(s.reshape(*s.shape[:-1], 3, 2) * w["b"]).reshape(s.shape)


for shape in ((3, 1), (2,), (3, 2)):
    slow(
        made(
            f"groups_{len(shape)}_{shape[-1]}",
            size=6,
            output_size=6,
            shapes=lambda self, inputs, shape=shape: {
                **{"w_x": (inputs, 6), "w_h": (6, 6)},
                "b": shape,
            },
            init_carry=lambda self, w, batch_shape=(): jnp.zeros((*batch_shape, 6)),
            update=_grouped,
        )()
    )


def prepared(shape_of):
    """A cell with a constant of this shape that `prepare` makes, of the batch."""

    def prepare(self, params, *, context=None, key=None, batch_shape=()):
        shape = shape_of(*batch_shape, 5)
        return {**params, "scale": 1 + 0.1 * jnp.arange(np.prod(shape)).reshape(shape)}

    def update(self, weights, carry, s):
        return jnp.tanh(s * weights["scale"])

    return made("prepared", prepare=prepare, update=update)()


def by_scalar(function):
    return made(
        function.__name__,
        shapes=shaped(b=()),
        update=lambda self, w, c, s: function(s, w["b"]),
    )()


@by_scalar
def selected_by_a_scalar(s, b):
    return jax.lax.select(b > 100, s, jnp.tanh(s * b))


@by_scalar
def clamped_by_a_scalar(s, b):
    most = jax.lax.stop_gradient(jnp.abs(b))
    return jax.lax.clamp(-most, jnp.tanh(s), most)
