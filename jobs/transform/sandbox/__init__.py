"""jobs/transform/sandbox"""
