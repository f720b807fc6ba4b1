//! Benchmarks of Pellucid. The programs are in `bin/` and `benches/`; `cargo xtask bench` runs them beside the peers.
