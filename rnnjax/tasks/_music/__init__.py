"""Parts of the application `music`."""
