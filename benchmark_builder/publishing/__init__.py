"""Publishing a benchmark (`bench publish`), and making its videos again from a published folder (`bench rebuild`)."""
