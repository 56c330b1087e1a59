"""Fits use one BLAS thread: their matrices are small, and contended threads cost ten times what they save."""

from contextlib import AbstractContextManager
from functools import cache
from typing import Any

from threadpoolctl import ThreadpoolController


def one_blas_thread() -> AbstractContextManager[Any]:
    """A block in which BLAS uses one thread."""
    limit: AbstractContextManager[Any] = _controller().limit(limits=1)
    return limit


@cache
def _controller() -> ThreadpoolController:
    """Looking for the loaded libraries takes longer than a small step of a fit: once is enough."""
    return ThreadpoolController()
