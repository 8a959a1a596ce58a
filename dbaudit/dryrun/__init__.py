"""The main job as a pipeline of small stages: inspect, serve, restore, predict, step, audit, verdict."""
