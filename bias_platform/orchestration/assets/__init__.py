"""One module a group of assets; each makes its assets from a catalog by small factories.

A body asks a blueprint what to make, calls the rooms below or starts a worker, and records what was published.
Not here: computing anything, paths, or versions (`orchestration.blueprints`, `storage`).
"""
