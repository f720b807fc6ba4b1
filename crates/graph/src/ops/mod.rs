//! The operators: one file each, and the table of all.
//!
//! A new operator is a file here and its two lines below, in alphabetical order.

pub mod activation;
mod arg;
mod attend;
mod composite;
mod convert;
mod convolve;
mod elementwise;
mod equation;
pub mod microsoft_scores;
mod number;
mod positions;
mod quantized;
pub mod recurrent;
mod reduce;
mod resampling;
pub mod scatter;
mod soft;
mod support;
pub mod window;

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
    argmax: ArgMax;
    argmin: ArgMin;
    asin: Asin;
    asinh: Asinh;
    atan: Atan;
    atanh: Atanh;
    attention: Attention;
    microsoft_attention: MicrosoftAttention;
    average_pool: AveragePool;
    batch_normalization: BatchNormalization;
    bias_gelu: BiasGelu;
    cast: Cast;
    cast_like: CastLike;
    ceil: Ceil;
    celu: Celu;
    clip: Clip;
    concat: Concat;
    constant: Constant;
    constant_of_shape: ConstantOfShape;
    conv: Conv;
    conv_transpose: ConvTranspose;
    cos: Cos;
    cosh: Cosh;
    cumsum: CumSum;
    depth_to_space: DepthToSpace;
    dequantize_linear: DequantizeLinear;
    div: Div;
    dropout: Dropout;
    dynamic_quantize_linear: DynamicQuantizeLinear;
    einsum: Einsum;
    elu: Elu;
    embed_layer_normalization: EmbedLayerNormalization;
    equal: Equal;
    erf: Erf;
    exp: Exp;
    expand: Expand;
    fast_gelu: FastGelu;
    flatten: Flatten;
    floor: Floor;
    fused_gemm: FusedGemm;
    fused_matmul: FusedMatMul;
    gru: Gru;
    gather: Gather;
    gather_elements: GatherElements;
    gather_nd: GatherND;
    gelu: Gelu;
    microsoft_gelu: MicrosoftGelu;
    gemm: Gemm;
    global_average_pool: GlobalAveragePool;
    global_lp_pool: GlobalLpPool;
    global_max_pool: GlobalMaxPool;
    greater: Greater;
    greater_or_equal: GreaterOrEqual;
    group_normalization: GroupNormalization;
    hard_sigmoid: HardSigmoid;
    hard_swish: HardSwish;
    identity: Identity;
    instance_normalization: InstanceNormalization;
    if_: If;
    is_inf: IsInf;
    is_nan: IsNaN;
    lrn: Lrn;
    lstm: Lstm;
    layer_normalization: LayerNormalization;
    leaky_relu: LeakyRelu;
    less: Less;
    less_or_equal: LessOrEqual;
    log: Log;
    log_softmax: LogSoftmax;
    lp_pool: LpPool;
    matmul: MatMul;
    matmul_integer: MatMulInteger;
    max: Max;
    max_pool: MaxPool;
    max_pool_gather: MaxPoolGather;
    max_pool_scatter: MaxPoolScatter;
    max_unpool: MaxUnpool;
    mean: Mean;
    min: Min;
    mish: Mish;
    mod_: Mod;
    mul: Mul;
    multi_head_attention: MultiHeadAttention;
    neg: Neg;
    non_zero: NonZero;
    not: Not;
    one_hot: OneHot;
    or: Or;
    prelu: PRelu;
    pad: Pad;
    pow: Pow;
    qlinear_matmul: QLinearMatMul;
    quantize_linear: QuantizeLinear;
    quick_gelu: QuickGelu;
    rms_normalization: RmsNormalization;
    rnn: Rnn;
    range: Range;
    reciprocal: Reciprocal;
    reduce_l1: ReduceL1;
    reduce_l2: ReduceL2;
    reduce_log_sum: ReduceLogSum;
    reduce_log_sum_exp: ReduceLogSumExp;
    reduce_max: ReduceMax;
    reduce_mean: ReduceMean;
    reduce_min: ReduceMin;
    reduce_prod: ReduceProd;
    reduce_sum: ReduceSum;
    reduce_sum_square: ReduceSumSquare;
    relu: Relu;
    reshape: Reshape;
    resize: Resize;
    rotary_embedding: RotaryEmbedding;
    round: Round;
    scatter_elements: ScatterElements;
    scatter_nd: ScatterND;
    selu: Selu;
    shape: Shape;
    sigmoid: Sigmoid;
    sign: Sign;
    simplified_layer_normalization: SimplifiedLayerNormalization;
    sin: Sin;
    sinh: Sinh;
    size: Size;
    skip_layer_normalization: SkipLayerNormalization;
    skip_simplified_layer_normalization: SkipSimplifiedLayerNormalization;
    slice: Slice;
    softmax: Softmax;
    softplus: Softplus;
    softsign: Softsign;
    space_to_depth: SpaceToDepth;
    split: Split;
    sqrt: Sqrt;
    squeeze: Squeeze;
    sub: Sub;
    sum: Sum;
    swish: Swish;
    tan: Tan;
    tanh: Tanh;
    thresholded_relu: ThresholdedRelu;
    tile: Tile;
    topk: TopK;
    transpose: Transpose;
    trilu: Trilu;
    unsqueeze: Unsqueeze;
    where_: Where;
    xor: Xor;
}

/// The definition of an operator by its domain and name.
pub fn find(domain: &str, name: &str) -> Option<&'static crate::operator::Definition> {
    let domain = if domain == "ai.onnx" { "" } else { domain };
    // Upsample went into Resize, which reads its form.
    let name = if domain.is_empty() && name == "Upsample" { "Resize" } else { name };
    TABLE.iter().copied().find(|d| d.name == name && d.domain == domain)
}
