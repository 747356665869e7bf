"""Initializers, and the functions that take them."""

import jax.numpy as jnp

import rnnjax
from rnnjax import initializers

from .kinds import Argument, array, call, choice, dtype, function, key, number, shape, size

DRAW = {"key": key(), "shape": shape((3, 4)), "dtype": dtype()}
VECTOR = {"key": key(), "shape": shape((4,)), "dtype": dtype()}

CALLS = [
    call("rnnjax.initializers.orthogonal", initializers.orthogonal, **DRAW),
    call("rnnjax.initializers.glorot_uniform", initializers.glorot_uniform, **DRAW),
    call("rnnjax.initializers.unit_uniform", initializers.unit_uniform, **DRAW),
    call("rnnjax.initializers.zeros", initializers.zeros, **DRAW),
    call("rnnjax.initializers.forget_bias", initializers.forget_bias, value=number(1.0)),
    call("the draw of forget_bias", initializers.forget_bias(1.0), **VECTOR),
    call("rnnjax.initializers.chrono", initializers.chrono, steps=Argument(5, (*size(5).bad, 1))),
    call("the draw of chrono", initializers.chrono(5), **VECTOR),
    call(
        "rnnjax.initializers.per_gate",
        initializers.per_gate,
        initializer=function(initializers.zeros),
        gates=size(2),
    ),
    call("the draw of per_gate", initializers.per_gate(initializers.zeros, 2), **DRAW),
    call("rnnjax.cells.activation", rnnjax.cells.activation, name=choice("tanh", None)),
    call("rnnjax.cells.initializer", rnnjax.cells.initializer, name=choice("zeros", None)),
    call("rnnjax.cells.draw", rnnjax.cells.draw, rule=choice("zeros", None), gates=size(2), **DRAW),
    call("rnnjax.carry_dtype", rnnjax.carry_dtype, dtype=dtype()._replace(bad=(None, "x", 3, str))),
    call(
        "rnnjax.matmul",
        rnnjax.matmul,
        x=array(jnp.ones(3), jnp.ones(2), 1j * jnp.ones(3)),
        w=array(jnp.ones((3, 2)), jnp.ones((3, 2), int), jnp.ones((2, 2))),
    ),
    call(
        "rnnjax.along",
        rnnjax.along,
        v=array(jnp.ones(3), jnp.ones((1, 1, 3))),
        x=array(jnp.ones((2, 3))),
    ),
    call(
        "rnnjax.add_bias",
        rnnjax.add_bias,
        x=array(jnp.ones((2, 3))),
        b=array(jnp.ones(3))._replace(bad=("text", jnp.ones((1, 1, 3)), jnp.ones(2))),
    ),
]
