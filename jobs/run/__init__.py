"""jobs/run"""
