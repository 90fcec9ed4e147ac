"""scikit-learn's own tests of its multi-layer perceptrons, read where it is installed, with the two names replaced."""

from pathlib import Path

import pytest

sklearn = pytest.importorskip("sklearn", minversion="1.7", reason="the extra sklearn is not installed")

IMPORTED = "from sklearn.neural_network import MLPClassifier, MLPRegressor"
FAILURES = {  # name -> why it cannot pass
    "test_gradient": "calls the private method _loss_grad_lbfgs with scikit-learn's own buffers",
}
PATH = Path(sklearn.__file__).parent / "neural_network" / "tests" / "test_mlp.py"
if not PATH.exists():
    pytest.skip("this scikit-learn comes without its tests", allow_module_level=True)
SOURCE = PATH.read_text(encoding="utf-8")
assert SOURCE.count(IMPORTED) == 1

pytestmark = pytest.mark.filterwarnings("default")
exec(compile(SOURCE.replace(IMPORTED, IMPORTED.replace("sklearn.neural_network", "fastnn.estimators")), PATH, "exec"))

for name, reason in FAILURES.items():
    globals()[name] = pytest.mark.xfail(reason=reason, raises=AttributeError, strict=True)(globals()[name])


@pytest.fixture
def global_random_seed():
    """scikit-learn's fixture; its own default."""
    return 42


def test_there_are_tests_and_they_are_about_fastnn():
    tests = [name for name in globals() if name.startswith("test_")]
    assert len(tests) > 30
    assert MLPClassifier.__module__.startswith("fastnn.")  # noqa: F821 - from the source
    assert MLPRegressor.__module__.startswith("fastnn.")  # noqa: F821
