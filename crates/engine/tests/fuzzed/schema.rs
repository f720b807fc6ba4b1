//! What operators take: how many inputs and outputs, which attributes, and texts that attributes may have.

use std::collections::HashMap;
use std::sync::LazyLock;

/// How many inputs and outputs an operator has in any version, and the names and kinds of its attributes.
#[derive(Clone, Debug)]
pub(crate) struct Schema {
    pub inputs: (usize, usize),
    pub outputs: usize,
    pub attributes: Vec<(&'static str, char)>,
}

/// Domain, name, fewest and most inputs, most outputs, attributes: as the schemas of ONNX and ONNX Runtime have them.
const OPERATORS: &str = include_str!("operators.txt");

static SCHEMAS: LazyLock<HashMap<(&'static str, &'static str), Schema>> = LazyLock::new(|| {
    let line = |line: &'static str| {
        let mut words = line.split(' ');
        let (domain, name) = (words.next()?, words.next()?);
        let mut number = || words.next()?.parse::<usize>().ok();
        let (fewest, most, outputs) = (number()?, number()?, number()?);
        let attributes =
            words.filter_map(|w| w.split_once(':').and_then(|(n, k)| Some((n, k.chars().next()?))));
        let schema = Schema { inputs: (fewest, most.max(fewest)), outputs, attributes: attributes.collect() };
        Some(((if domain == "ai.onnx" { "" } else { domain }, name), schema))
    };
    OPERATORS.lines().filter_map(line).collect()
});

/// The schema of an operator; a wide one where none is known.
pub(crate) fn of(domain: &str, name: &str) -> Schema {
    let wide = || Schema { inputs: (0, 3), outputs: 2, attributes: Vec::new() };
    SCHEMAS.get(&(domain, name)).cloned().unwrap_or_else(wide)
}

/// Texts that an attribute of a name may have.
pub(crate) fn texts(attribute: &str) -> &'static [&'static str] {
    match attribute {
        "auto_pad" => &["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"],
        "mode" => &[
            "constant", "edge", "reflect", "wrap", "nearest", "linear", "cubic", "bilinear", "bicubic",
            "DCR", "CRD", "fmod",
        ],
        "direction" => &["forward", "reverse", "bidirectional", "LEFT", "RIGHT"],
        "reduction" => &["none", "mean", "sum", "add", "mul", "min", "max"],
        "approximate" => &["none", "tanh"],
        "activation" | "activations" => &[
            "Relu",
            "Tanh",
            "Sigmoid",
            "Affine",
            "LeakyRelu",
            "ThresholdedRelu",
            "ScaledTanh",
            "HardSigmoid",
            "Elu",
            "Softsign",
            "Softplus",
            "none",
            "silu",
            "swish",
        ],
        "update_rule" => &["linear", "gated", "delta", "gated_delta"],
        "coordinate_transformation_mode" => &[
            "half_pixel",
            "half_pixel_symmetric",
            "pytorch_half_pixel",
            "align_corners",
            "asymmetric",
            "tf_crop_and_resize",
            "tf_half_pixel_for_nn",
        ],
        "nearest_mode" => &["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"],
        "keep_aspect_ratio_policy" => &["stretch", "not_larger", "not_smaller"],
        "padding_mode" => &["zeros", "border", "reflection"],
        "equation" => &[
            "ij->ji",
            "ij,jk->ik",
            "i,i->",
            "ii->i",
            "...i,...i->...",
            "bij,bjk->bik",
            "ij->",
            "ij,ij->ij",
            "abc->cab",
            "...->...",
            "ij",
            "a,b,c->abc",
            "bhid,bhjd->bhij",
            "ii->",
            "ij,j",
        ],
        _ => &[],
    }
}
