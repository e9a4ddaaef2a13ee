"""Videos: the record of one, decoding, encoding, compositing, digests."""
