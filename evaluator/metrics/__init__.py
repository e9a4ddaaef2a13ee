"""Figures of bias, intervals, paired comparisons."""

from benchmark_builder.utils.moved import names_of

__getattr__ = names_of(__name__, "evaluator.metrics.outcomes")
