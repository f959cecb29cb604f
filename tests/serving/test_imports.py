"""What the server must not load: it would pay seconds of start-up and hundreds of megabytes for what it never calls."""

import json
import subprocess
import sys

MODULES = ("headrace.serving.__main__", "headrace.serving.app", "use_cases.flight_delay")
HEAVY = ("prefect", "great_expectations", "evidently", "mlflow", "mlflow.pyfunc", "optuna", "shap")


def loaded_after(statements: str) -> set[str]:
    """Names of the modules that a fresh process has after some statements."""
    code = f"{statements}\nimport json, sys\nsys.stdout.write(json.dumps(sorted(sys.modules)))"
    return set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()[-1]))


def test_the_server_loads_nothing_of_orchestration_quality_drift_or_registry() -> None:
    assert loaded_after(f"import {', '.join(MODULES)}").isdisjoint(HEAVY)


def test_the_server_needs_no_pandas_of_its_own() -> None:
    """LightGBM loads it where it finds it; with pandas out of reach, every module of ours still imports."""
    loaded = loaded_after(f"import sys; sys.modules['pandas'] = None\nimport {', '.join(MODULES)}")
    assert "headrace.serving.app" in loaded
    assert not any(name.startswith("pandas.") for name in loaded)
