//! Units as exporters write them: found, equal to their steps, and left open where a value inside is wanted.

use super::recognise;
use crate::build::Builder;
use crate::cases::{evaluate, f64s};
use crate::error::OpResult;
use crate::graph::{Fact, Graph, ValueId};
use crate::operator::Kind;
use crate::ops::{
    Clip, Erf, GlobalAveragePool, HardSigmoid, Log, Pow, Reciprocal, ReduceMax, ReduceMean, Sigmoid,
    Softplus, Sqrt, Tanh,
};
use crate::random::Stream;
use crate::tensor::DType;

type Body = fn(&mut Builder, ValueId) -> OpResult<ValueId>;

fn number(b: &mut Builder, value: f64) -> ValueId {
    b.constant_value(f64s(&[], &[value]))
}

fn graph(body: Body) -> (Graph, ValueId) {
    let mut b = Builder::new(2);
    let x = b.input("x", Fact::new(DType::F64, &[2, 3, 5]));
    let y = body(&mut b, x).unwrap_or_else(|e| panic!("{e}"));
    b.rename(y, "y");
    (b.finish(&[y]), x)
}

fn names(graph: &Graph) -> Vec<&'static str> {
    graph.nodes().iter().map(|n| n.op.definition().name).collect()
}

/// The steps become one operator, which gives what they gave.
#[track_caller]
fn check(unit: &str, body: Body) {
    let (before, x) = graph(body);
    let (after, map, _) = recognise(&before).unwrap().unwrap_or_else(|| panic!("{unit} is not found"));
    assert_eq!(names(&after), [unit]);
    assert_eq!(after.find("y"), Some(after.outputs()[0]));
    let mut stream = Stream::new(5, [0, 0, 0]);
    let data: Vec<f64> = (0..30).map(|_| 2.0 * stream.normal()).collect();
    let at = |graph: &Graph, x| {
        let given = [(x, f64s(&[2, 3, 5], &data))];
        evaluate(graph, &given, graph.outputs()).remove(0).to_f64().unwrap()
    };
    for (got, want) in at(&after, map[&x]).into_iter().zip(at(&before, x)) {
        assert!((got - want).abs() < 1e-6, "{unit}: {got}, expected {want}");
    }
}

/// x/2 · (1 + erf(x/√2)), as PyTorch 1.13 writes it.
fn gelu_of_pytorch(b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
    let (root, one, half) = (number(b, std::f64::consts::SQRT_2), number(b, 1.0), number(b, 0.5));
    let scaled = b.div(x, root)?;
    let erf = b.push(Erf, &[scaled])?;
    let sum = b.add(erf, one)?;
    let product = b.mul(x, sum)?;
    b.mul(product, half)
}

fn cubic(b: &mut Builder, x: ValueId, cube: ValueId) -> OpResult<ValueId> {
    let (bend, scale, one) = (number(b, 0.044715), number(b, 0.797_884_6), number(b, 1.0));
    let bent = b.mul(bend, cube)?;
    let sum = b.add(x, bent)?;
    let scaled = b.mul(scale, sum)?;
    let tanh = b.push(Tanh, &[scaled])?;
    b.add(one, tanh)
}

#[test]
fn gelu_in_every_order() {
    check("Gelu", gelu_of_pytorch);
    check("Gelu", |b, x| {
        // As Keras has it: 0.5 · x · (1 + erf(x · 0.7071)).
        let (root, one, half) = (number(b, 0.707_106_77), number(b, 1.0), number(b, 0.5));
        let halved = b.mul(half, x)?;
        let scaled = b.mul(x, root)?;
        let erf = b.push(Erf, &[scaled])?;
        let sum = b.add(one, erf)?;
        b.mul(halved, sum)
    });
    check("Gelu", |b, x| {
        let square = b.mul(x, x)?;
        let cube = b.mul(x, square)?;
        let sum = cubic(b, x, cube)?;
        let product = b.mul(x, sum)?;
        let half = number(b, 0.5);
        b.mul(half, product)
    });
    check("Gelu", |b, x| {
        let three = number(b, 3.0);
        let cube = b.push(Pow, &[x, three])?;
        let sum = cubic(b, x, cube)?;
        let half = number(b, 0.5);
        let halved = b.mul(x, half)?;
        b.mul(halved, sum)
    });
}

#[test]
fn gelu_of_a_product_is_of_the_product() {
    let (before, _) = graph(|b, x| {
        let y = b.mul(x, x)?;
        gelu_of_pytorch(b, y)
    });
    let (after, _, _) = recognise(&before).unwrap().unwrap();
    assert_eq!(names(&after), ["Mul", "Gelu"]);
}

#[test]
fn gates() {
    check("Swish", |b, x| {
        let gate = b.push(Sigmoid, &[x])?;
        b.mul(x, gate)
    });
    check("Swish", |b, x| {
        let scaled = b.scale(x, 1.702)?;
        let gate = b.push(Sigmoid, &[scaled])?;
        b.mul(gate, x)
    });
    check("HardSwish", |b, x| {
        let gate = b.push(HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 }, &[x])?;
        b.mul(x, gate)
    });
    check("HardSwish", |b, x| {
        let (zero, six) = (number(b, 0.0), number(b, 6.0));
        let raised = b.shift(x, 3.0)?;
        let gate = b.push(Clip, &[raised, zero, six])?;
        let product = b.mul(x, gate)?;
        b.div(product, six)
    });
    check("Mish", |b, x| {
        let soft = b.push(Softplus, &[x])?;
        let gate = b.push(Tanh, &[soft])?;
        b.mul(x, gate)
    });
    check("Mish", |b, x| {
        let exponential = b.exp(x)?;
        let raised = b.shift(exponential, 1.0)?;
        let soft = b.push(Log, &[raised])?;
        let gate = b.push(Tanh, &[soft])?;
        b.mul(gate, x)
    });
    check("Softplus", |b, x| {
        let exponential = b.exp(x)?;
        let raised = b.shift(exponential, 1.0)?;
        b.push(Log, &[raised])
    });
}

#[test]
fn softmax() {
    check("Softmax", |b, x| {
        let axes = b.integers(&[1]);
        let largest = b.push(ReduceMax { keep: true, noop_with_empty_axes: false }, &[x, axes])?;
        let apart = b.sub(x, largest)?;
        let exponential = b.exp(apart)?;
        let sum = b.reduce_sum(exponential, &[1], true)?;
        b.div(exponential, sum)
    });
    check("Softmax", |b, x| {
        let exponential = b.exp(x)?;
        let sum = b.reduce_sum(exponential, &[2], true)?;
        b.div(exponential, sum)
    });
}

fn mean(b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
    let axes = b.integers(&[-1]);
    b.push(ReduceMean { keep: true, noop_with_empty_axes: false }, &[x, axes])
}

/// √(mean of (x − mean)² + 1e-5), and x − mean.
fn deviation(b: &mut Builder, x: ValueId, by_power: bool) -> OpResult<(ValueId, ValueId)> {
    let level = mean(b, x)?;
    let apart = b.sub(x, level)?;
    let two = number(b, 2.0);
    let square = if by_power { b.push(Pow, &[apart, two])? } else { b.mul(apart, apart)? };
    let variance = mean(b, square)?;
    let raised = b.shift(variance, 1e-5)?;
    Ok((b.push(Sqrt, &[raised])?, apart))
}

fn parameters(b: &mut Builder) -> (ValueId, ValueId) {
    let scale = b.constant_value(f64s(&[5], &[1.0, 2.0, -1.0, 0.5, 3.0]));
    (scale, b.constant_value(f64s(&[5], &[0.0, 1.0, -1.0, 0.5, 0.0])))
}

/// As PyTorch writes it for operator sets before 17.
fn layer_norm_of_pytorch(b: &mut Builder, x: ValueId) -> OpResult<ValueId> {
    let (root, apart) = deviation(b, x, true)?;
    let normal = b.div(apart, root)?;
    let (scale, bias) = parameters(b);
    let scaled = b.mul(normal, scale)?;
    b.add(scaled, bias)
}

#[test]
fn layer_normalization() {
    check("LayerNormalization", layer_norm_of_pytorch);
    check("LayerNormalization", |b, x| {
        let (root, apart) = deviation(b, x, false)?;
        let inverse = b.push(Reciprocal, &[root])?;
        b.mul(apart, inverse)
    });
    check("LayerNormalization", |b, x| {
        // As PyTorch's newer exporter has x.var(-1, unbiased=False, keepdim=True).
        let level = mean(b, x)?;
        let apart = b.sub(x, level)?;
        let square = b.mul(apart, apart)?;
        let axes = b.integers(&[2]);
        let variance = b.push(ReduceMean { keep: false, noop_with_empty_axes: false }, &[square, axes])?;
        let variance = b.reshape(variance, &[2, 3, 1])?;
        let raised = b.shift(variance, 1e-5)?;
        let root = b.push(Sqrt, &[raised])?;
        let inverse = b.push(Reciprocal, &[root])?;
        b.mul(apart, inverse)
    });
    check("LayerNormalization", |b, x| {
        let (root, _) = deviation(b, x, false)?;
        let apart = mean(b, x)?;
        let apart = b.sub(x, apart)?;
        let (scale, _) = parameters(b);
        let normal = b.div(apart, root)?;
        b.mul(scale, normal)
    });
    check("LayerNormalization", |b, x| {
        // As TensorFlow has it: x · f + (bias − mean · f).
        let (root, _) = deviation(b, x, false)?;
        let inverse = b.push(Reciprocal, &[root])?;
        let (scale, bias) = parameters(b);
        let factor = b.mul(inverse, scale)?;
        let product = b.mul(x, factor)?;
        let level = mean(b, x)?;
        let level = b.mul(level, factor)?;
        let rest = b.sub(bias, level)?;
        b.add(product, rest)
    });
}

#[test]
fn layer_normalization_of_tf2onnx() {
    // Means over the last of three axes as global pools, and the mean taken away by adding −mean · f.
    fn steps(b: &mut Builder, x: ValueId, scaled: bool, bias: bool) -> OpResult<ValueId> {
        let level = b.push(GlobalAveragePool, &[x])?;
        let apart = b.sub(x, level)?;
        let square = b.mul(apart, apart)?;
        let variance = b.push(GlobalAveragePool, &[square])?;
        let raised = b.shift(variance, 1e-3)?;
        let root = b.push(Sqrt, &[raised])?;
        let mut factor = b.push(Reciprocal, &[root])?;
        let (scale, shift) = parameters(b);
        // Keras gives its parameters the rank of x.
        let (scale, shift) = (b.reshape(scale, &[1, 1, 5])?, b.reshape(shift, &[1, 1, 5])?);
        if scaled {
            factor = b.mul(factor, scale)?;
        }
        let product = b.mul(x, factor)?;
        let negative = b.neg(level)?;
        let mut rest = b.mul(negative, factor)?;
        if bias {
            rest = b.add(rest, shift)?;
        }
        b.add(product, rest)
    }
    check("LayerNormalization", |b, x| steps(b, x, true, true));
    check("LayerNormalization", |b, x| steps(b, x, true, false));
    check("LayerNormalization", |b, x| steps(b, x, false, true));
    check("LayerNormalization", |b, x| steps(b, x, false, false));
}

/// √(mean of x² + 1e-5).
fn root_mean_square(b: &mut Builder, x: ValueId, by_power: bool) -> OpResult<ValueId> {
    let two = number(b, 2.0);
    let square = if by_power { b.push(Pow, &[x, two])? } else { b.mul(x, x)? };
    let level = mean(b, square)?;
    let raised = b.shift(level, 1e-5)?;
    b.push(Sqrt, &[raised])
}

#[test]
fn rms_normalization() {
    check("RMSNormalization", |b, x| {
        // As PyTorch's exporters write weight · (x · rsqrt(mean(x²) + ε)).
        let root = root_mean_square(b, x, true)?;
        let inverse = b.push(Reciprocal, &[root])?;
        let normal = b.mul(x, inverse)?;
        let (scale, _) = parameters(b);
        b.mul(scale, normal)
    });
    check("RMSNormalization", |b, x| {
        let root = root_mean_square(b, x, true)?;
        let one = number(b, 1.0);
        let inverse = b.div(one, root)?;
        b.mul(x, inverse)
    });
    check("RMSNormalization", |b, x| {
        let root = root_mean_square(b, x, false)?;
        let normal = b.div(x, root)?;
        let (scale, _) = parameters(b);
        b.mul(normal, scale)
    });
    check("RMSNormalization", |b, x| {
        // As tf2onnx has it: x · (scale / √(mean(x²) + ε)).
        let root = root_mean_square(b, x, false)?;
        let inverse = b.push(Reciprocal, &[root])?;
        let (scale, _) = parameters(b);
        let factor = b.mul(inverse, scale)?;
        b.mul(x, factor)
    });
}

#[test]
fn what_only_looks_like_a_unit_stays() {
    let stays = |body: Body| assert!(recognise(&graph(body).0).unwrap().is_none());
    // Another constant.
    stays(|b, x| {
        let (root, one, half) = (number(b, 1.5), number(b, 1.0), number(b, 0.5));
        let scaled = b.div(x, root)?;
        let erf = b.push(Erf, &[scaled])?;
        let sum = b.add(erf, one)?;
        let product = b.mul(x, sum)?;
        b.mul(product, half)
    });
    // A gate of another value.
    stays(|b, x| {
        let other = b.shift(x, 1.0)?;
        let gate = b.push(Sigmoid, &[other])?;
        b.mul(x, gate)
    });
    // The root mean square of another value.
    stays(|b, x| {
        let other = b.shift(x, 1.0)?;
        let root = root_mean_square(b, other, false)?;
        b.div(x, root)
    });
    // A mean over the first axis.
    stays(|b, x| {
        let exponential = b.exp(x)?;
        let sum = b.reduce_sum(exponential, &[0, 2], true)?;
        b.div(exponential, sum)
    });
}

#[test]
fn what_was_found_is_told() {
    let mut b = Builder::new(2);
    let x = b.input("x", Fact::new(DType::F64, &[2, 3, 5]));
    let named = |b: &mut Builder, name: &str, body: Body, x| {
        b.set_origin(Some(name.into()));
        body(b, x).unwrap()
    };
    let h = named(&mut b, "gelu", gelu_of_pytorch, x);
    let y = named(&mut b, "norm", layer_norm_of_pytorch, h);
    let (_, _, units) = recognise(&b.finish(&[y])).unwrap().unwrap();
    let told: Vec<_> = units.iter().map(|u| (u.operator, &*u.node, u.kind, u.inside.len())).collect();
    assert_eq!(
        told,
        [("Gelu", "gelu", Kind::Elementwise, 4), ("LayerNormalization", "norm", Kind::Normalize, 8)]
    );
}

#[test]
fn a_unit_stays_open_where_a_value_inside_is_wanted() {
    let mut b = Builder::new(2);
    let x = b.input("x", Fact::new(DType::F64, &[2, 3]));
    let gate = b.push(Sigmoid, &[x]).unwrap();
    let y = b.mul(x, gate).unwrap();
    assert!(recognise(&b.clone().finish(&[y])).unwrap().is_some());
    assert!(recognise(&b.clone().finish(&[gate, y])).unwrap().is_none());
    let other = b.scale(gate, 2.0).unwrap();
    assert!(recognise(&b.finish(&[y, other])).unwrap().is_none());
}
