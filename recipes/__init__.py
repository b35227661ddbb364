"""Runnable recipes: one file per result."""
