"""Files of ids and rows: reading and writing."""
