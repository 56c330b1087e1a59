"""Cells become outcomes: engines that ask a system, the identity of a cell, the ledger that keeps every outcome.

Not here: what is asked (`prompts`), how a system is loaded (`models`), what the answers mean (`analysis`). Importing
this package, or listing engines, imports no torch; only a created engine does.
"""
