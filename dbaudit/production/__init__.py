"""What a rehearsal tells of production: the ratio of two servers as measured, and times at production's size."""
