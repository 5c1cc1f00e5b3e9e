"""Scripts that run inside processing jobs, each on its own; nothing of the server is imported there."""
