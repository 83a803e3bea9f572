"""People: lists, subscribers, consent, suppression. Knows nothing of newsletters."""
