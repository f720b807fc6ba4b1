//! The operators: one file each, and the table of all.
//!
//! A new operator is a file here and its two lines below, in alphabetical order.

mod reduce;
mod support;

macro_rules! operators {
    ($($module:ident: $($name:ident),+;)*) => {
        $(pub mod $module;)*
        $(pub use $module::{$($name),+};)*

        /// Every operator, in alphabetical order.
        pub static TABLE: &[&crate::operator::Definition] = &[$(&$module::DEFINITION),*];
    };
}

operators! {
    add: Add;
    expand: Expand;
    gemm: Gemm;
    greater: Greater;
    mul: Mul;
    reduce_sum: ReduceSum;
    relu: Relu;
    reshape: Reshape;
    where_: Where;
}

/// The definition of an operator by its domain and name.
pub fn find(domain: &str, name: &str) -> Option<&'static crate::operator::Definition> {
    let domain = if domain == "ai.onnx" { "" } else { domain };
    TABLE.iter().copied().find(|d| d.name == name && d.domain == domain)
}
