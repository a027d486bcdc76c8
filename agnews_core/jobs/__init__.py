"""Who waits to be trained, and the process that trains."""
