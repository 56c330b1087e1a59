"""Language models: built on the spot, found on a hub, tuned, quantized, loaded.

Not here: what is asked of a model (`prompts`), how it is asked and how answers are kept (`inference`). This package
imports nothing by itself: `source` and `system` are light; every other module may import torch, so only workers do.
"""
