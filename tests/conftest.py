"""What every test may use: the control plane, the installed CRDs."""

pytest_plugins = ["tests.support.testbed", "tests.support.crds", "tests.support.policies"]
