"""jobs/transform"""
