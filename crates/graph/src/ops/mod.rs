//! The operators: one file each, and the table of all.
//!
//! A new operator is a file here and its two lines below, in alphabetical order.

mod convert;
mod elementwise;
mod number;
mod positions;
mod reduce;
pub mod scatter;
mod soft;
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
    acos: Acos;
    acosh: Acosh;
    add: Add;
    and: And;
    asin: Asin;
    asinh: Asinh;
    atan: Atan;
    atanh: Atanh;
    batch_normalization: BatchNormalization;
    cast: Cast;
    cast_like: CastLike;
    ceil: Ceil;
    celu: Celu;
    clip: Clip;
    concat: Concat;
    constant: Constant;
    constant_of_shape: ConstantOfShape;
    cos: Cos;
    cosh: Cosh;
    div: Div;
    dropout: Dropout;
    elu: Elu;
    equal: Equal;
    erf: Erf;
    exp: Exp;
    expand: Expand;
    flatten: Flatten;
    floor: Floor;
    gather: Gather;
    gather_elements: GatherElements;
    gelu: Gelu;
    gemm: Gemm;
    greater: Greater;
    greater_or_equal: GreaterOrEqual;
    hard_sigmoid: HardSigmoid;
    hard_swish: HardSwish;
    identity: Identity;
    is_inf: IsInf;
    is_nan: IsNaN;
    layer_normalization: LayerNormalization;
    leaky_relu: LeakyRelu;
    less: Less;
    less_or_equal: LessOrEqual;
    log: Log;
    log_softmax: LogSoftmax;
    matmul: MatMul;
    max: Max;
    mean: Mean;
    min: Min;
    mish: Mish;
    mod_: Mod;
    mul: Mul;
    neg: Neg;
    not: Not;
    or: Or;
    prelu: PRelu;
    pad: Pad;
    pow: Pow;
    range: Range;
    reciprocal: Reciprocal;
    reduce_sum: ReduceSum;
    relu: Relu;
    reshape: Reshape;
    round: Round;
    scatter_elements: ScatterElements;
    selu: Selu;
    shape: Shape;
    sigmoid: Sigmoid;
    sign: Sign;
    sin: Sin;
    sinh: Sinh;
    size: Size;
    slice: Slice;
    softmax: Softmax;
    softplus: Softplus;
    softsign: Softsign;
    split: Split;
    sqrt: Sqrt;
    squeeze: Squeeze;
    sub: Sub;
    sum: Sum;
    tan: Tan;
    tanh: Tanh;
    thresholded_relu: ThresholdedRelu;
    tile: Tile;
    transpose: Transpose;
    unsqueeze: Unsqueeze;
    where_: Where;
    xor: Xor;
}

/// The definition of an operator by its domain and name.
pub fn find(domain: &str, name: &str) -> Option<&'static crate::operator::Definition> {
    let domain = if domain == "ai.onnx" { "" } else { domain };
    TABLE.iter().copied().find(|d| d.name == name && d.domain == domain)
}
