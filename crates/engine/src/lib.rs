//! Turns a graph into a plan and runs it on tiles of points.
