"""Figures for papers (`bench figure`), from results on disk: PNG, PDF and SVG."""
