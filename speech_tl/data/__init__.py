"""From recordings and transcripts to padded batches."""
