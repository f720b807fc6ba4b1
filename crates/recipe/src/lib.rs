//! One TOML file: data, train, evaluate, explain, report.
