//! The operators: one file each, and the table of all.
//!
//! A new operator is a file here and its two lines below, in alphabetical order.

mod convert;
mod elementwise;
mod number;
mod positions;
mod reduce;
pub mod scatter;
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
    abs: Abs;
    add: Add;
    and: And;
    cast: Cast;
    cast_like: CastLike;
    concat: Concat;
    cos: Cos;
    div: Div;
    equal: Equal;
    erf: Erf;
    exp: Exp;
    expand: Expand;
    gather: Gather;
    gather_elements: GatherElements;
    gemm: Gemm;
    greater: Greater;
    greater_or_equal: GreaterOrEqual;
    less: Less;
    less_or_equal: LessOrEqual;
    log: Log;
    matmul: MatMul;
    max: Max;
    mean: Mean;
    min: Min;
    mul: Mul;
    neg: Neg;
    not: Not;
    or: Or;
    pad: Pad;
    pow: Pow;
    reciprocal: Reciprocal;
    reduce_sum: ReduceSum;
    relu: Relu;
    reshape: Reshape;
    scatter_elements: ScatterElements;
    sigmoid: Sigmoid;
    sign: Sign;
    sin: Sin;
    slice: Slice;
    sqrt: Sqrt;
    sub: Sub;
    sum: Sum;
    tanh: Tanh;
    transpose: Transpose;
    where_: Where;
    xor: Xor;
}

/// The definition of an operator by its domain and name.
pub fn find(domain: &str, name: &str) -> Option<&'static crate::operator::Definition> {
    let domain = if domain == "ai.onnx" { "" } else { domain };
    TABLE.iter().copied().find(|d| d.name == name && d.domain == domain)
}
