"""What notebooks and terminals show: tables, a progress line, images."""
