"""The skorch net: batches, precision, schedules and checkpoints (private)."""
