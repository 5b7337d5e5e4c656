"""jobs/services"""
