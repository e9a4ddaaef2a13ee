"""`bench features`: features of every window of long videos, in the formats that detectors of others read."""
