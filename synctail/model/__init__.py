"""synctail/model"""
