"""Entry points of heavy work, each started as its own process: `python -m bias_platform.workers.<job>`.

A worker reads its request, calls the rooms below, publishes, and reports over Dagster Pipes; it decides nothing.
Not here: starting workers and recording what they made (`orchestration`), and the work itself (the other rooms).
"""

import logging

# before anything imports it: a line per matrix product, and a warning about kernels that a CPU has no use for
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
