"""Keeps full garbage collections, which statsmodels asks for at every adjustment of p values, from costing seconds."""

import gc

import bias_platform.analysis
import bias_platform.reports  # noqa: F401

gc.freeze()
