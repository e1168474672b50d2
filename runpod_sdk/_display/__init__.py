"""What notebooks show: tables, a line while something goes on, pictures."""
