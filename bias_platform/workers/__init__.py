"""Entry points of heavy work, each started as its own process: `python -m bias_platform.workers.<job>`.

A worker reads its request, calls the rooms below, publishes, and reports over Dagster Pipes; it decides nothing.
Not here: starting workers and recording what they made (`orchestration`), and the work itself (the other rooms).
"""
