"""Videos: the Video record, decoding, encoding, compositing, digests."""

from benchmark_builder.utils.moved import names_of

__getattr__ = names_of(__name__, "benchmark_builder.video.record")
