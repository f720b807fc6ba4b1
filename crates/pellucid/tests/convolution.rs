//! Convolutional networks: numbers that Captum's own tests publish, and what must hold of overlapping windows.

mod common;

use common::{control, explain, method, spec};
use pellucid::graph::ops::window::Window;
use pellucid::graph::random::Stream;
use pellucid::graph::{DType, Dim, Network, Tensor, ops};
use pellucid::{Baseline, Batch, Model, Precision, Spec, Target};

fn input(n: &mut Network, shape: &[usize]) -> (usize, Dim) {
    let batch = Dim::Symbol("batch".into());
    let dims: Vec<Dim> = std::iter::once(batch.clone()).chain(shape.iter().map(|&d| Dim::Fixed(d))).collect();
    (n.add_input("x", DType::F32, &dims).unwrap(), batch)
}

fn window(kernel: &[usize], strides: &[usize], pads: &[usize]) -> Window {
    Window { kernel: kernel.to_vec(), strides: strides.to_vec(), pads: pads.to_vec(), ..Window::default() }
}

fn max_pool(window: Window) -> ops::MaxPool {
    ops::MaxPool { window, column_major: false, indices: false }
}

fn drawn(shape: &[usize], key: u64) -> Tensor {
    let mut stream = Stream::new(key, [0; 3]);
    Tensor::new(shape, (0..shape.iter().product()).map(|_| stream.normal() as f32).collect()).unwrap()
}

/// Captum's `LinearMaxPoolLinearModel`, whose linear layers are identities: a pool over four elements.
#[test]
fn a_fall_goes_to_the_element_that_was_chosen() {
    let mut n = Network::new();
    let (x, batch) = input(&mut n, &[1, 4]);
    let y = n.add_node("pool", max_pool(window(&[4], &[], &[])), &[x], "pool").unwrap();
    n.add_output(y, DType::F32, &[batch, Dim::Fixed(1), Dim::Fixed(1)]);
    let model = Model::from_network(n).unwrap();
    let ones = Tensor::new(&[2, 1, 4], vec![1.0f32; 8]).unwrap();
    let bases = Tensor::new(&[2, 1, 4], vec![1.0f32, 2.0, 3.0, 9.0, 4.0, 8.0, 6.0, 7.0]).unwrap();
    let spec = Spec { baseline: Baseline::Each, ..spec(method(r#"{"name": "deep_lift"}"#)) };
    let found = explain(&model, &spec, &Batch { baselines: Some(vec![bases]), ..Batch::new(vec![ones]) });
    let values = found.attributions[0].to_f64().unwrap();
    assert_eq!(values, [0.0, 0.0, 0.0, -8.0, 0.0, -7.0, 0.0, 0.0]);
}

/// A Relu and a pool behind it: where the reference is the same all over a window, the winner gets all; where it is not, Captum's way does not
/// add up.
#[test]
fn behind_an_activation_captum_takes_the_derivative() {
    let mut n = Network::new();
    let (x, batch) = input(&mut n, &[1, 2]);
    let y = n.add_node("relu", ops::Relu, &[x], "relu").unwrap();
    let y = n.add_node("pool", max_pool(window(&[2], &[], &[])), &[y], "pool").unwrap();
    n.add_output(y, DType::F32, &[batch, Dim::Fixed(1), Dim::Fixed(1)]);
    let model = Model::from_network(n).unwrap();
    let found = |rule: &str, base: [f32; 2]| {
        let json = format!(r#"{{"name": "deep_lift", "max_pool": "{rule}"}}"#);
        let asked = Spec { baseline: Baseline::Each, ..spec(method(&json)) };
        let x = Tensor::new(&[1, 1, 2], vec![1.0f32, 2.0]).unwrap();
        let base = Tensor::new(&[1, 1, 2], base.to_vec()).unwrap();
        let batch = Batch { baselines: Some(vec![base]), ..Batch::new(vec![x]) };
        explain(&model, &asked, &batch).attributions[0].to_f64().unwrap()
    };
    assert_eq!(found("difference", [4.0, 4.0]), [0.0, -2.0]);
    assert_eq!(found("captum", [4.0, 4.0]), [0.0, -2.0]);
    assert_eq!(found("difference", [5.0, 1.0]), [-3.0, 0.0]);
    assert_eq!(found("captum", [5.0, 1.0]), [0.0, 1.0]);
}

/// Captum's `BasicModel_ConvNet_One_Conv`: a convolution of ones, flattened, a layer of ones and minus ones, a Relu.
fn one_conv() -> Model {
    let mut n = Network::new();
    let (x, batch) = input(&mut n, &[1, 4, 4]);
    let weights = n.add_constant("w", Tensor::new(&[2, 1, 3, 3], vec![1.0f32; 18]).unwrap()).unwrap();
    let bias = n.add_constant("b", Tensor::vector(vec![-50.0f32, -75.0])).unwrap();
    let conv = ops::Conv::new(1, window(&[3, 3], &[], &[]));
    let y = n.add_node("conv1", conv, &[x, weights, bias], "conv1").unwrap();
    let y = n.add_node("relu1", ops::Relu, &[y], "relu1").unwrap();
    let y = n.add_node("flatten", ops::Flatten { axis: 1 }, &[y], "flatten").unwrap();
    let row = [1.0f32, 1.0, 1.0, 1.0, 1.0, -1.0, -1.0, -1.0];
    let fc = n.add_constant("fc", Tensor::new(&[4, 8], row.repeat(4)).unwrap()).unwrap();
    let gemm = ops::Gemm { transpose_b: true, ..ops::Gemm::default() };
    let y = n.add_node("fc1", gemm, &[y, fc], "fc1").unwrap();
    let y = n.add_node("relu2", ops::Relu, &[y], "relu2").unwrap();
    n.add_output(y, DType::F32, &[batch, Dim::Fixed(4)]);
    Model::from_network(n).unwrap()
}

#[test]
fn published_grids_come_out() {
    let model = one_conv();
    let counted = Tensor::new(&[1, 1, 4, 4], (0..16).map(|v| v as f32).collect()).unwrap();
    let grid = |name: &str| {
        let asked = Spec {
            targets: vec![Target::Index(vec![0])],
            ..spec(method(&format!(r#"{{"name": "{name}"}}"#)))
        };
        explain(&model, &asked, &Batch::new(vec![counted.clone()])).attributions[0].to_f64().unwrap()
    };
    let guided = [0.0, 1.0, 1.0, 1.0, 1.0, 3.0, 3.0, 2.0, 1.0, 3.0, 3.0, 2.0, 1.0, 2.0, 2.0, 1.0];
    assert_eq!(grid("guided_backprop"), guided);
}

/// Convolutions with more than 40 kinks behind them take their sums in double: in single precision they are those of a network in double, rounded. With fewer
/// they are not.
#[test]
fn sums_of_convolutions_far_from_the_end_are_taken_in_double() {
    let chain = |relus: usize| {
        let mut n = Network::new();
        let (x, batch) = input(&mut n, &[64, 5, 5]);
        let weights = n.add_constant("w", drawn(&[8, 64, 3, 3], 1)).unwrap();
        let conv = ops::Conv::new(1, window(&[3, 3], &[], &[]));
        let mut y = n.add_node("conv", conv, &[x, weights], "conv").unwrap();
        for i in 0..relus {
            y = n.add_node(&format!("relu{i}"), ops::Relu, &[y], &format!("y{i}")).unwrap();
        }
        n.add_output(y, DType::F32, &[batch, Dim::Fixed(8), Dim::Fixed(3), Dim::Fixed(3)]);
        Model::from_network(n).unwrap()
    };
    let x = drawn(&[2, 64, 5, 5], 2);
    let pool = common::pool(1);
    for (relus, exact) in [(40, false), (41, true)] {
        let found = |precision| {
            let out = chain(relus).run(std::slice::from_ref(&x), precision, None, &control(&pool)).unwrap();
            out[0].to_f64().unwrap()
        };
        let rounded: Vec<f64> = found(Precision::Float64).iter().map(|v| f64::from(*v as f32)).collect();
        assert_eq!(found(Precision::Float32) == rounded, exact, "{relus}");
    }
}

/// Overlapping windows, strides that leave elements out, groups, and pools of several kinds, one behind the other.
fn deep() -> Model {
    let mut n = Network::new();
    let (x, batch) = input(&mut n, &[4, 9, 10]);
    let first = n.add_constant("w1", drawn(&[6, 2, 3, 3], 1)).unwrap();
    let second = n.add_constant("w2", drawn(&[6, 1, 3, 2], 2)).unwrap();
    let bias = n.add_constant("b2", drawn(&[6], 3)).unwrap();
    let conv = ops::Conv::new(2, window(&[3, 3], &[], &[1, 1, 1, 1]));
    let y = n.add_node("conv1", conv, &[x, first], "conv1").unwrap();
    let y = n.add_node("relu1", ops::Relu, &[y], "relu1").unwrap();
    let y = n.add_node("pool1", max_pool(window(&[3, 3], &[], &[1, 1, 1, 1])), &[y], "pool1").unwrap();
    let conv = ops::Conv::new(6, window(&[3, 2], &[2, 2], &[1, 0, 1, 0]));
    let y = n.add_node("conv2", conv, &[y, second, bias], "conv2").unwrap();
    let y = n.add_node("tanh", ops::Tanh, &[y], "tanh").unwrap();
    let mean = ops::AveragePool { window: window(&[2, 2], &[1, 1], &[1, 0, 0, 1]), count_pads: true };
    let y = n.add_node("pool2", mean, &[y], "pool2").unwrap();
    let y = n.add_node("pool3", ops::GlobalMaxPool, &[y], "pool3").unwrap();
    n.add_output(y, DType::F32, &[batch, Dim::Fixed(6), Dim::Fixed(1), Dim::Fixed(1)]);
    Model::from_network(n).unwrap()
}

#[test]
fn deep_lift_is_complete_through_overlapping_windows() {
    let model = deep();
    let inputs = drawn(&[5, 4, 9, 10], 4);
    for channel in 0..6 {
        let targets = vec![Target::Index(vec![channel, 0, 0])];
        let asked =
            Spec { targets, baseline: Baseline::Scalar(0.2), ..spec(method(r#"{"name": "deep_lift"}"#)) };
        let found = explain(&model, &asked, &Batch::new(vec![inputs.clone()]));
        let delta = &found.check.unwrap().delta[0];
        assert!(delta.iter().all(|d| d.abs() < 1e-12), "channel {channel}: {delta:?}");
        let values = found.attributions[0].to_f64().unwrap();
        assert!(values.iter().filter(|v| **v != 0.0).count() > 20, "the test shows little");
    }
}

#[test]
fn a_row_has_the_same_bits_alone_and_among_others() {
    let model = deep();
    let inputs = drawn(&[7, 4, 9, 10], 5);
    let each = 4 * 9 * 10;
    let asked = |json: &str| Spec { targets: vec![Target::Index(vec![2, 0, 0])], ..Spec::new(method(json)) };
    for json in [r#"{"name": "saliency"}"#, r#"{"name": "integrated_gradients", "n_steps": 9}"#] {
        let all = explain(&model, &asked(json), &Batch::new(vec![inputs.clone()])).attributions.remove(0);
        let all = all.as_slice::<f32>().unwrap();
        for row in 0..7 {
            let data = inputs.as_slice::<f32>().unwrap()[row * each..(row + 1) * each].to_vec();
            let alone = Tensor::new(&[1, 4, 9, 10], data).unwrap();
            let one = explain(&model, &asked(json), &Batch::new(vec![alone])).attributions.remove(0);
            assert_eq!(
                one.as_slice::<f32>().unwrap(),
                &all[row * each..(row + 1) * each],
                "{json}, row {row}"
            );
        }
    }
}
