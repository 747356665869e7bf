"""What `test_native_compiler.py` and `test_native_devices.py` run in processes of their own.

`native_worker.py once` prints whether the native loop ran, and a digest of its results.
`native_worker.py threads` prints the same of a loop that is large enough for many threads.
`native_worker.py devices` compares divided arrays on two devices with whole ones.
"""

import hashlib
import sys
from functools import partial

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from native_loops import draw, total, why_not

from rnnjax import LSTM, Elman, scan
from rnnjax.engine import Loop, NativeLoop

CALL = "rnnjax_loop_"


def once():
    report(Elman(4), *draw(Elman(4), 3, dtype=np.float32))


def threads():
    report(LSTM(64), *draw(LSTM(64), 33, steps=40, dtype=np.float32))


def report(cell, params, xs, carry):
    def pulled(method, xs, carry):
        run = partial(scan, cell, params, xs, method=method)
        out, pull = jax.vjp(run, carry)
        return out, pull(jax.tree.map(jax.numpy.cos, out))

    native, loop = (jax.jit(partial(pulled, method)) for method in (NativeLoop(), Loop()))
    found, expected = native(xs, carry), loop(xs, carry)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4), found, expected)
    called = CALL in native.lower(xs, carry).as_text()
    called = called and why_not(cell, params, xs, carry) == [None]
    data = b"".join(np.asarray(a).tobytes() for a in jax.tree.leaves(found))
    print(int(called), hashlib.sha256(data).hexdigest())


def gradients(method, *args):
    def loss(*args):
        return total(scan(LSTM(5), *args, method=method))

    return jax.grad(loss, (0, 1, 2))(*args)


def devices():
    jax.config.update("jax_enable_x64", True)
    args = draw(LSTM(5), 4)
    mesh = jax.make_mesh((2, 1), ("rows", "other"), axis_types=(AxisType.Auto,) * 2)
    specs = PartitionSpec(), PartitionSpec(None, "rows"), PartitionSpec("rows")
    expected = jax.jit(partial(gradients, Loop()))(*args)

    def check(function, args, calls):
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-9), function(*args), expected)
        assert function.lower(*args).as_text().count(CALL) == calls

    def over(method, **more):
        run = partial(gradients, method)
        return jax.jit(jax.shard_map(run, mesh=mesh, in_specs=specs, out_specs=specs, **more))

    divided = jax.tree.map(
        lambda spec, tree: jax.device_put(tree, NamedSharding(mesh, spec)), specs, args
    )
    whole = jax.jit(partial(gradients, NativeLoop()))
    check(over(NativeLoop()), args, 2)
    check(over(NativeLoop()), divided, 2)
    check(over(NativeLoop(), axis_names={"rows"}), args, 0)  # XLA may divide the other axis
    check(whole, divided, 0)
    check(whole, jax.device_put(args, jax.devices()[1]), 2)
    copies = jax.device_put(args, NamedSharding(mesh, PartitionSpec()))
    check(whole, copies, 0)


if __name__ == "__main__":
    {"once": once, "threads": threads, "devices": devices}[sys.argv[1]]()
