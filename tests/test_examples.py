"""Every script of examples/ runs on the installed package, writes its pictures and prints the figures it claims."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("matplotlib")

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
PICTURES = {"inside_a_network": ("activations", "gradients", "dead_units", "first_layer")}  # others: one of their name
SECONDS = 20

pytestmark = pytest.mark.skipif(not SCRIPTS, reason="examples/ is not beside tests/")


def number(pattern, text):
    """The first number that the pattern captures."""
    found = re.search(pattern, text)
    assert found, f"{pattern!r} is not in:\n{text}"
    return float(found[1])


def check_gradient_descent(text):
    assert "final weight: 0.1153   (notes: 0.1153)" in text


def check_optimizers(text):
    assert all(abs(number(rf"{name}.* (\S+)\n", text)) < 0.2 for name in ("SGD", "momentum 0.9", "RMSprop", "Adam"))


def check_perceptron(text):
    assert "answers 0 0 0 1   (truth: 0 0 0 1)" in text and re.search(r"epoch: \[.*, 0\]", text)


def check_xor(text):
    assert text.count("answers: 0 1 1 0   (notes: 0 1 1 0)") == 2


def check_backpropagation_step(text):
    assert "= -0.1100" in text and "= 0.4725" in text and "= 0.2492" in text and "agree" in text


def check_moons(text):
    rows = dict(re.findall(r"^(2|10|100, 100) +\S+ +(\S+)$", text, re.MULTILINE))
    assert float(rows["10"]) > float(rows["2"]) and min(map(float, rows.values())) > 0.8


def check_underfitting(text):
    assert number(r"one neuron +training \S+ +validation (\S+)", text) < 0.9
    assert number(r"16 hidden units +training \S+ +validation (\S+)", text) > 0.95


def check_regularization(text):
    losses = {name: number(rf"^(?s:.*?){name} +\d+ +\S+ +(\S+)", text) for name in ("none", "L2", "early stopping")}
    assert losses["L2"] < losses["none"] and losses["early stopping"] < losses["none"]


def check_breast_cancer(text):
    assert number(r"test accuracy: (\S+)", text) >= 0.95


def check_batches(text):
    assert re.search(r"stochastic \(1\) +20480 ", text) and re.search(r"batch \(512\) +40 ", text)


def check_learning_rates(text):
    found = [number(rf"{name} +rate \S+ +final weight +(\S+)", text) for name in ("too low", "right", "too high")]
    assert found == [8.1707, 0.0010, 25.9374]


def check_schedules(text):
    assert all(number(rf"{name} .* (\S+)\n", text) > 0.93 for name in ("constant", "halving", "cosine with warm-up"))


def check_learning_curve(text):
    assert number(r"\n +25 .* (\S+)\n", text) + 0.1 < number(r"\n +1400 .* (\S+)\n", text)


def check_inside_a_network(text):
    first, *_, last = re.search(r"sigmoid: .*layer: (.*)", text)[1].split(", ")
    assert float(first) < 0.01 * float(last)


def check_mnist_optimizers(text):
    if "MNIST is not here" in text:
        pytest.skip("no MNIST files")
    assert all(number(rf"{name} +(\S+)", text) > 0.94 for name in ("sgd", "adam", "rmsprop"))


def check_cnn_mnist(text):
    if "MNIST is not here" in text:
        pytest.skip("no MNIST files")
    assert "Total params: 347,146" in text and number(r"mean test accuracy: (\S+)", text) > 0.98


def check_autoencoder(text):
    assert number(r"squared error (\S+),", text) < 0.3 * number(r"mean digit (\S+)\n", text)


def check_signals(text):
    found = [number(rf"{name} .*accuracy (\S+)\n", text) for name in ("convolution", "dense")]
    assert found[0] > 0.93 and found[1] < 0.8


def check_estimators(text):
    assert number(r"largest difference of the losses (\S+)", text) < 1e-9
    assert 80 < number(r"hold (\S+)% of the points", text) < 98


def check_gates(text):
    assert text.count("learnt exactly") == 3


def check_serve(text):
    assert number(r"test rows right: (\S+)", text) >= 0.95
    assert number(r"predictor\S* out\)\s+median (\S+) us", text) < number(r"model.predict\S*\s+median (\S+) us", text)


def check_leaving(text):
    assert number(r"test rows right: (\S+)", text) >= 0.95
    found = re.findall(r"^(\S.*?) +differs by (\S+),", text, re.MULTILINE)
    assert "NumPy script" in dict(found) and all(float(one) < 2e-6 for _, one in found)


def check_cart_pole(text):
    assert number(r"the centre balances (\S+) of", text) > 400
    assert number(r": (\S+) steps a second", text.replace(",", "")) > 50_000


def check_demo(text):
    assert number(r"Test accuracy: (\S+)", text) > 0.95


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example(script, tmp_path):
    environment = os.environ | {"MPLBACKEND": "Agg"}
    if "mnist" in script.stem and not environment.get("FASTNN_DATA"):
        pytest.skip("no MNIST files: set FASTNN_DATA to their folder")
    if script.stem == "cart_pole":
        pytest.importorskip("numba", reason="needs Numba: pip install numba")
    done = subprocess.run(
        [sys.executable, "-W", "error::RuntimeWarning", str(script), "--output", "pictures"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=15 * SECONDS,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    globals()[f"check_{script.stem}"](done.stdout)
    names = PICTURES.get(script.stem, (script.stem,))
    written = {path.stem: path.stat().st_size for path in (tmp_path / "pictures").glob("*.png")}
    assert set(written) == set(names) and min(written.values()) > 3000


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_says_what_it_does(script):
    """A docstring with the command, and no path of a machine."""
    text = script.read_text()
    assert text.startswith('"""') and f"python examples/{script.name}" in text
    assert not re.search(r"/(home|root|work|Users|tmp)/", text)


def test_gallery_shows_every_example():
    gallery = EXAMPLES / "README.md"
    text = gallery.read_text()
    assert all(script.name in text for script in SCRIPTS)
    for picture in re.findall(r"\((pictures/\S+\.png)\)", text):
        if (EXAMPLES / "pictures").is_dir():
            assert 0 < (EXAMPLES / picture).stat().st_size < 80_000, picture


def test_programs_of_the_readme(tmp_path):
    """One after the other, as a reader would type them."""
    pytest.importorskip("sklearn")
    blocks = re.findall(r"```python\n(.*?)```", (EXAMPLES.parent / "README.md").read_text(), re.DOTALL)
    done = subprocess.run([sys.executable, "-c", "\n".join(blocks)], capture_output=True, text=True, cwd=tmp_path)
    assert len(blocks) == 4 and done.returncode == 0, done.stderr
    assert (tmp_path / "model.fastnn").is_file()
