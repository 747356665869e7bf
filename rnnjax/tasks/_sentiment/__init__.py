"""Parts of the application `sentiment`."""
