"""What training, processing and batch transform share: a job's folder, its inputs, its hosts, its end."""
