//! Small networks with known weights, and shorthand for explaining them.

#![allow(dead_code)]

use pellucid::engine::Control;
use pellucid::graph::{DType, Dim, Network, Tensor, ops};
use pellucid::{Batch, Explanation, METHODS, Method, Model, Precision, Spec};

/// A pool of so many threads.
pub(crate) fn pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// A `Control` that only has threads.
pub(crate) fn control(pool: &rayon::ThreadPool) -> Control<'_> {
    Control { pool, cancel: None, progress: None, profile: None }
}

/// Rows of 32-bit floats.
pub(crate) fn rows(rows: &[&[f32]]) -> Tensor {
    let width = rows.first().map_or(0, |r| r.len());
    Tensor::new(&[rows.len(), width], rows.concat()).unwrap()
}

/// One layer of a network.
pub(crate) struct Layer {
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) activation: Option<&'static str>,
}

/// A layer of `outputs` neurons, weights [outputs, inputs] row by row.
pub(crate) fn layer(weight: &[f32], bias: &[f32], activation: Option<&'static str>) -> Layer {
    Layer { weight: weight.to_vec(), bias: bias.to_vec(), activation }
}

/// A network of dense layers; values are named `linear0`, `relu0`, `linear1` and so on.
pub(crate) fn dense(inputs: usize, layers: &[Layer]) -> Model {
    let mut n = Network::new();
    let batch = Dim::Symbol("batch".into());
    let mut x = n.add_input("x", DType::F32, &[batch.clone(), Dim::Fixed(inputs)]).unwrap();
    let mut width = inputs;
    for (i, layer) in layers.iter().enumerate() {
        let out = layer.bias.len();
        let weight = Tensor::new(&[out, width], layer.weight.clone()).unwrap();
        let w = n.add_constant(&format!("weight{i}"), weight).unwrap();
        let b = n.add_constant(&format!("bias{i}"), Tensor::vector(layer.bias.clone())).unwrap();
        let name = format!("linear{i}");
        let gemm = ops::Gemm { transpose_b: true, ..ops::Gemm::default() };
        x = n.add_node(&name, gemm, &[x, w, b], &name).unwrap();
        let name = |a: &str| format!("{a}{i}");
        x = match layer.activation {
            None => x,
            Some("relu") => n.add_node(&name("relu"), ops::Relu, &[x], &name("relu")).unwrap(),
            Some("tanh") => n.add_node(&name("tanh"), ops::Tanh, &[x], &name("tanh")).unwrap(),
            Some("sigmoid") => n.add_node(&name("sigmoid"), ops::Sigmoid, &[x], &name("sigmoid")).unwrap(),
            Some("softmax") => n
                .add_node(&name("softmax"), ops::Softmax { axis: -1, flatten: false }, &[x], &name("softmax"))
                .unwrap(),
            Some(other) => panic!("no activation {other}"),
        };
        width = out;
    }
    n.add_output(x, DType::F32, &[batch, Dim::Fixed(width)]);
    Model::from_network(n).unwrap()
}

/// Captum's `BasicModel_MultiLayer`: an identity, a layer of ones, a Relu, two outputs.
pub(crate) fn multi_layer() -> Model {
    let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
    dense(
        3,
        &[
            layer(&identity, &[0.0; 3], None),
            layer(&[1.0; 12], &[-10.0, 1.0, 1.0, 1.0], Some("relu")),
            layer(&[1.0; 8], &[-1.0, 1.0], None),
        ],
    )
}

/// A network with seeded weights.
pub(crate) fn seeded(sizes: &[usize], hidden: &'static str, last: Option<&'static str>, seed: u64) -> Model {
    let mut stream = pellucid::graph::random::Stream::new(seed, [0; 3]);
    let layers: Vec<Layer> = sizes
        .windows(2)
        .enumerate()
        .map(|(i, w)| {
            let mut draw =
                |n: usize, scale: f64| (0..n).map(|_| (stream.normal() * scale) as f32).collect::<Vec<_>>();
            let weight = draw(w[0] * w[1], 1.5 / (w[0] as f64).sqrt());
            let bias = draw(w[1], 0.3);
            Layer { weight, bias, activation: if i + 2 == sizes.len() { last } else { Some(hidden) } }
        })
        .collect();
    dense(sizes[0], &layers)
}

/// Seeded rows.
pub(crate) fn seeded_rows(count: usize, width: usize, seed: u64) -> Tensor {
    let mut stream = pellucid::graph::random::Stream::new(seed, [1, 0, 0]);
    Tensor::new(&[count, width], (0..count * width).map(|_| stream.normal() as f32).collect()).unwrap()
}

/// A specification in 64 bits.
pub(crate) fn spec(method: Method) -> Spec {
    Spec { precision: Precision::Float64, ..Spec::new(method) }
}

/// A method by its name and arguments in JSON.
pub(crate) fn method(json: &str) -> Method {
    serde_json::from_str(json).unwrap_or_else(|e| panic!("{json}: {e}"))
}

/// Every method as it is by default, and integrals to a tolerance.
pub(crate) fn every_method() -> Vec<Method> {
    let plain = METHODS.iter().map(|m| method(&format!("{{\"name\": \"{}\"}}", m.name)));
    let exact = ["integrated_gradients", "layer_integrated_gradients"];
    let exact = exact.map(|name| method(&format!("{{\"name\": \"{name}\", \"tolerance\": 1e-4}}")));
    plain.chain(exact).collect()
}

/// Explains rows on one thread.
pub(crate) fn explain(model: &Model, spec: &Spec, batch: &Batch) -> Explanation {
    model.explain(spec, batch, &control(&pool(1))).unwrap_or_else(|e| panic!("{spec:?}: {e}"))
}
