"""What answers cost, and when that is enough."""
