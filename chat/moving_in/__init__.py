"""What one of the platform's templates kept in its Redis, brought into conversations and context."""
