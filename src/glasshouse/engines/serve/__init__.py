"""Model servers: jobs that stay and answer. `process.ProcessServer` runs them through any executor."""
