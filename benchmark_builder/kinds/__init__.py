"""Kinds of test videos, one file each: how it is made, and how it is composed again."""
