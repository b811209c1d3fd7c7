"""Serving of calls: server, endpoints, authorization, limits and fault switches."""
