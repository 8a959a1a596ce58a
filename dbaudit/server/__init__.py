"""Throwaway servers: private, in a container, or one that its owner marked. See `choose.start`."""
