"""Where the record goes: JSON lines to standard output, to a file, or to an HTTP server."""
