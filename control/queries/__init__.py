"""What the pages read. One file a page or a theme; nothing here writes."""
