"""The skorch net and what makes it fast and safe: batches, precision, schedule. Private."""
