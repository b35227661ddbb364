"""Speech sounds and symbols: the units a model writes."""
