"""Figures of bias, intervals, paired comparisons."""
