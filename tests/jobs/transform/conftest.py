"""Each test of this room that runs a script looks after what it left."""

from tests.kit.scripts import folders

__all__ = ["folders"]
