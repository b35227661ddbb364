"""Training without audio and without words: configurations, seeds, batches by length, the loop, the grid."""
