"""People and what was said: lists, search, transcripts, and why an answer came out as it did."""
