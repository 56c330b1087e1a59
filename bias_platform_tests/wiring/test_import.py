"""The code location loads fast enough to be reloaded often: nothing heavy is imported."""

import subprocess
import sys

HEAVY = ("torch", "transformers", "peft", "bitsandbytes", "statsmodels", "vllm")


def test_definitions_import_nothing_heavy() -> None:
    program = f"import sys, bias_platform.definitions; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
    assert "Warning" not in done.stderr
