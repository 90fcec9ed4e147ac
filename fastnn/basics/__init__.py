"""What knows nothing of networks: checks, settings, threads, random numbers, progress bars."""
