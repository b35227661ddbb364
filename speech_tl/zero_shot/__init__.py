"""Descriptors recognised, class looked up in a table of signatures: of animals, of words, of phones."""
