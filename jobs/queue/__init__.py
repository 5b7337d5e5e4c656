"""jobs/queue"""
