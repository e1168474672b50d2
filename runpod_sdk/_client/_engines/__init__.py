"""What engines that run tasks again need of this SDK."""

from . import once as once
