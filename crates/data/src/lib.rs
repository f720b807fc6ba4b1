//! Tables and arrays in and out, fitted preprocessing with lineage, splits and evaluation metrics.
