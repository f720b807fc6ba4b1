//! What the fuzz targets share: a bound on memory, above which the process ends and the input is a finding.

/// The most bytes that a target may hold at a time.
pub const MOST_BYTES: usize = 1 << 30;

/// Ends the process where more than [`MOST_BYTES`] are asked for.
#[macro_export]
macro_rules! within_memory {
    () => {
        #[global_allocator]
        static MEMORY: $crate::Cap<std::alloc::System> = $crate::Cap::new(std::alloc::System, $crate::MOST_BYTES);
    };
}

pub use cap::Cap;
