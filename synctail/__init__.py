"""synctail"""
