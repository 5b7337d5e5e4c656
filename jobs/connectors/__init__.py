"""jobs/connectors"""
