"""Helpers for engines that rerun tasks."""

from . import once as once
