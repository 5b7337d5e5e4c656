"""synctail/log"""
