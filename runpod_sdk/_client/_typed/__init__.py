"""Outputs read as the `output_type` that was asked for."""
