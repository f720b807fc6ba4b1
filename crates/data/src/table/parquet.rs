//! Reads Parquet: flat columns, some rows at a time, without Arrow.
