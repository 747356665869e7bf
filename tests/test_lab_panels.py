"""The panels in a browser: they work, and show the library's numbers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from lab_browser import CHROMIUM, drive
from lab_node import close

import rnnjax
from rnnjax import diagnostics, lab
from rnnjax.decoding import generate
from rnnjax.lab._page import PANELS

pytestmark = pytest.mark.slow
# The tests must pass on a machine that has only Python; CI installs Chromium and runs these.
if CHROMIUM is None:
    pytest.skip("no Chromium: the lab was not opened in a browser", allow_module_level=True)


ADDRESSES = [
    "panel=flow&dump=1&radius=1.3&steps=60&units=7&everywhere=1",
    "panel=flow&dump=1&radius=0.8&steps=400&units=12&activation=identity&scale=0&seed=5",
    "panel=flow&dump=1&cell=LSTM&bias=3&radius=1.1&steps=80&units=9&seed=2&map=activity",
    "panel=flow&dump=1&cell=GRU&bias=-1&radius=1.4&steps=50&units=6&scale=1.5&theme=dark",
    "panel=plane&dump=1",
    "panel=plane&dump=1&real=-0.4&imaginary=0.99&skew=1.5&steps=120&activation=tanh&theme=light",
    "panel=gate&dump=1&f=2.5&noise=1",
    "panel=cliff&dump=1&clip=0.3&steps=12&w=5&b=-2.8&updates=40",
    "panel=learn&dump=1&task=echo&cell=GRU&length=7&units=5",
    "panel=write&dump=1&temperature=0&length=50&prompt=The+king",
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> dict[str, list]:
    return drive(lab.page(), ADDRESSES, tmp_path_factory.mktemp("browser"))


def visits(browser: dict[str, list], panel: str) -> list[dict[str, Any]]:
    return [visit for visit in browser["visit"] if visit["address"].startswith(f"panel={panel}&d")]


def shaped(cell: Any, found: dict[str, list], inputs: int = 1) -> Any:
    """Parameters of the page as the library's; an absent bias is 0."""
    like = jax.tree.map(jnp.zeros_like, cell.init(jax.random.key(0), inputs))
    present = {name: found[name] for name in like._fields if name in found}
    return like._replace(
        **{
            name: jnp.reshape(jnp.array(a, float), getattr(like, name).shape)
            for name, a in present.items()
        }
    )


def test_no_panel_complains_or_loads_anything(browser):
    assert browser["console"] == []
    assert browser["end"] == [{"loaded": []}]
    for visit in browser["visit"]:
        assert visit["faults"] == [], visit["address"]
        assert visit["figures"] and visit["data"]["panel"] in visit["address"]
    assert [visit["address"] for visit in browser["visit"]][: len(ADDRESSES)] == ADDRESSES


def test_an_address_sets_what_it_names(browser):
    flow = visits(browser, "flow")[2]["values"]
    assert flow["cell"] == "LSTM" and flow["bias"] == 3 and flow["map"] == "activity"
    themes = [visit["theme"] for visit in browser["visit"]]
    assert themes[3] == "rgb(22, 24, 28)" and themes[5] == "rgb(252, 252, 250)"


def test_every_control_moves(browser):
    assert [touched["panel"] for touched in browser["touched"]] == [*PANELS]
    for touched in browser["touched"]:
        assert touched["faults"] == [] and touched["unmoved"] == [], touched["panel"]


def test_tabs_are_moved_through_by_keys(browser):
    (keys,) = browser["keys"]
    first, second, last = (f"tab-{PANELS[i]}" for i in (0, 1, -1))
    assert keys == {"focused": [second, first, last, first, last], "reachable": 1}


def test_a_picture_is_dragged_nudged_and_read_and_the_address_follows(browser):
    (hands,) = browser["hands"]
    assert (hands["dragged"]["real"], hands["dragged"]["imaginary"]) == (0.5, 0.6)
    assert (hands["nudged"]["real"], hands["nudged"]["imaginary"]) == (0.5, 0.62)
    # Lengths at step 7: of the state, of the gradient, and the power of the modulus.
    assert len(hands["pointed"]) == 3 and all(hands["pointed"])
    np.testing.assert_allclose(float(hands["pointed"][0]), np.hypot(0.5, 0.62) ** 7, rtol=1e-2)
    assert hands["theme"] == "dark"
    assert hands["hash"] == "#panel=plane&real=0.5&imaginary=0.62&theme=dark"


def test_a_moving_slider_is_followed(browser):
    """An update takes less than a sixtieth of a second: the best one, since others may be busy."""
    assert [moved["cell"] for moved in browser["slider"]] == ["Elman", "LSTM", "GRU"]
    for moved in browser["slider"]:
        assert 0 < moved["best"] < 1000 / 60


def test_through_time_shows_the_librarys_gradient_flow_and_exponent(browser, x64):
    found = visits(browser, "flow")
    assert len(found) == 4
    for visit in found:
        values, net = visit["values"], visit["dump"]["net"]
        options = {"activation": values["activation"]} if net["cell"] == "Elman" else {}
        cell = getattr(rnnjax, net["cell"])(values["units"], **options)
        params, xs = shaped(cell, net["params"]), jnp.asarray(visit["dump"]["xs"])
        assert xs.shape == (values["steps"], 1)

        def loss(ys, everywhere=values["everywhere"]):
            return (ys if everywhere else ys[-1]).sum() / ys.shape[-1] ** 0.5

        @jax.jit
        def diagnose(params, xs, cell=cell, loss=loss):
            flow = diagnostics.gradient_flow(cell, params, xs, loss)["all"]
            jacobians = diagnostics.step_jacobians(cell, params, xs)
            return flow, jacobians, diagnostics.spectral_radius(params.w_h)

        flow, jacobians, radii = jax.tree.map(np.asarray, diagnose(params, xs))
        np.testing.assert_allclose(visit["dump"]["norms"], flow, rtol=1e-9)
        np.testing.assert_allclose(float(visit["data"]["ratio"]), flow[0] / flow[-1], rtol=1e-9)
        np.testing.assert_allclose(radii, values["radius"], rtol=1e-9)
        direction = np.concatenate(list(visit["dump"]["direction"].values()))
        exponent = growth_of(direction, jacobians)
        np.testing.assert_allclose(float(visit["data"]["exponent"]), exponent, rtol=1e-9)


def growth_of(direction: np.ndarray, jacobians: np.ndarray) -> float:
    """The mean logarithm of a direction's growth."""
    total = 0.0
    for jacobian in jacobians:
        direction = jacobian @ (direction / np.linalg.norm(direction))
        total += np.log(np.linalg.norm(direction))
    return total / len(jacobians)


def last_output(ys: Any) -> Any:
    """The loss of the page: the sum of the last output, with a gradient of length 1."""
    return ys[-1].sum() / ys.shape[-1] ** 0.5


def test_two_units_have_the_eigenvalues_and_follow_the_matrix(browser, x64):
    found = visits(browser, "plane")
    assert len(found) == 2
    for visit in found:
        values, dump = visit["values"], visit["dump"]
        cell = rnnjax.Elman(2, activation=values["activation"])
        params = shaped(cell, dump["params"])
        pair = np.sort_complex(np.asarray(diagnostics.eigenvalues(params.w_h))[0])
        close(pair.real, [values["real"]] * 2)
        close(pair.imag, [-values["imaginary"], values["imaginary"]])
        assert float(visit["data"]["modulus"]) == pytest.approx(abs(pair[0]))
        start, xs = jnp.array([1.0, 0.0]), jnp.zeros((values["steps"], 1))

        @jax.jit
        def run(params, start, xs, cell=cell):
            flows = diagnostics.gradient_flow(cell, params, xs, last_output, start)
            return flows["all"], rnnjax.scan(cell, params, xs, start)[1]

        flow, states = jax.tree.map(np.asarray, run(params, start, xs))
        close(dump["states"], [[1, 0], *states])
        close(np.linalg.norm(dump["gradients"], axis=1), [*flow, 1])
        assert float(visit["data"]["ratio"]) == pytest.approx(flow[0])


def test_inside_a_gate_runs_the_librarys_cells(browser, x64):
    (visit,) = visits(browser, "gate")
    for kind, memory in (("LSTM", "c"), ("GRU", "gru")):
        found, cell = visit["dump"][kind], getattr(rnnjax, kind)(1)
        xs = jnp.asarray(found["xs"])
        params = shaped(cell, found["params"], xs.shape[1])
        _, (ys, carries) = rnnjax.scan(rnnjax.cells.Record(cell), params, xs)
        expected = (carries.c if kind == "LSTM" else carries)[:, 0]
        close([at["memory"] for at in found["steps"]], expected)
        entered = [at["enter"] * at["candidate"] for at in found["steps"]]
        close([at["kept"] for at in found["steps"]] + np.array(entered), expected)
        close([at["h"] for at in found["steps"]], ys[:, 0])
        close(float(visit["data"][memory]), expected[visit["values"]["step"]])


def test_the_cliff_has_the_librarys_loss_and_gradient(browser, x64):
    (visit,) = visits(browser, "cliff")
    values, cell = visit["values"], rnnjax.Elman(1, activation="sigmoid")

    def loss(point):
        params = cell.init(jax.random.key(0), 1)._replace(
            w_x=jnp.zeros((1, 1)), w_h=point[:1, None], b=point[1:]
        )
        start = jax.nn.sigmoid(jnp.full(1, 0.5))
        h, _ = rnnjax.scan(cell, params, jnp.zeros((values["steps"], 1)), start)
        return (h[0] - 0.7) ** 2

    for name, limit in (("free", np.inf), ("clipped", values["clip"])):
        path = visit["dump"][name]
        points = np.array([[at["w"], at["b"]] for at in path])
        assert points.shape == (values["updates"] + 1, 2)
        close(points[0], [values["w"], values["b"]])
        losses, gradients = jax.vmap(jax.value_and_grad(loss))(jnp.asarray(points))
        norms = np.linalg.norm(gradients, axis=1)
        close([at["loss"] for at in path], losses)
        close([at["norm"] for at in path], norms)
        steps = values["rate"] * np.minimum(1, limit / norms)[:, None] * gradients
        close(np.diff(points, axis=0), -steps[:-1])


def test_a_learner_shows_its_gradient_flow(browser, x64):
    (visit,) = visits(browser, "learn")
    dump, values = visit["dump"], visit["values"]
    cell = getattr(rnnjax, values["cell"])(values["units"])
    xs = jnp.asarray(dump["xs"])
    params = shaped(cell, dump["params"], xs.shape[1])
    flow = jax.jit(lambda p, xs: diagnostics.gradient_flow(cell, p, xs, last_output))(params, xs)
    close(dump["flow"], flow["all"])
    assert len(xs) == values["length"]


def test_it_writes_the_likeliest_letters(browser):
    (visit,) = visits(browser, "write")
    model, units, snapshots, *_ = lab.demo()
    prompt = jnp.array([units.index(letter) for letter in "The king"])
    tokens = generate(model, snapshots["trained"], prompt, length=50, temperature=0)
    assert visit["dump"]["tokens"] == [*prompt.tolist(), *tokens.tolist()]
