"""What runs in a script's own process, behind its walls. Standard library alone: nothing else is in reach there."""
