"""Zero-shot translation: every pair of languages, from sentence pairs that all have one language in common."""

__version__ = "0.1.0"
