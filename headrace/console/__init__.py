"""The console: where people look instead of read. Pages and summaries drawn from rows; nothing here is decided or written to a table."""
