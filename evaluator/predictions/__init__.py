"""Files of predictions, from this toolkit and from other frameworks."""

from benchmark_builder.utils.moved import names_of

__getattr__ = names_of(__name__, "evaluator.predictions.files")
