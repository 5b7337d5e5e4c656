"""server/pages"""
