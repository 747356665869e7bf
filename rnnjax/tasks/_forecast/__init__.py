"""Parts of the application `forecast`."""
