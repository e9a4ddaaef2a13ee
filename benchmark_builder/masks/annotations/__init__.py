"""Masks and boxes that ship with data sets."""
