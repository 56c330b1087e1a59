"""Ways of putting questions to a system; each keeps the protocol of `base` and is named in `registry`.

Not here: which cells are asked (`inference.answering`), what is kept of them (`inference.ledger`). Only modules that
hold an engine import torch or a client library, and only `registry` imports those, when one is created.
"""
