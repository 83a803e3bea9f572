"""What every source and every provider must pass."""
