"""Transfer learning for speech: many languages, voices and domains share what they can."""

__version__ = "0.1.0"
