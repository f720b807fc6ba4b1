//! The graph of a trained network, written as ONNX and read again, computes what the trained network predicts.

use pellucid_engine::Plan;
use pellucid_graph::random::Stream;
use pellucid_graph::{Dim, Network, Slice, SliceMut, Specialisation};
use pellucid_train::{Recipe, Samples, Targets, Trained, fit};
use std::sync::atomic::AtomicBool;

const ROWS: usize = 9;

fn train(loss: &str, activation: &str, standardise: bool) -> (Vec<f32>, Trained) {
    let mut stream = Stream::new(1, [0; 3]);
    let features: Vec<f32> = (0..4 * ROWS).map(|_| stream.normal() as f32).collect();
    let classes: Vec<u32> = (0..ROWS as u32).map(|row| row % 3).collect();
    let two: Vec<u32> = classes.iter().map(|&class| class.min(1)).collect();
    let values: Vec<f32> = (0..2 * ROWS).map(|_| (100.0 + 20.0 * stream.normal()) as f32).collect();
    let recipe: Recipe = toml::from_str(&format!(
        "loss = {loss:?}\nstandardise_target = {standardise}\nepochs = 3\nbatch_size = 4\n\
         network = {{ layers = [6, 5], activation = {activation:?}, dropout = 0.2, biases = \"pytorch\" }}"
    ))
    .unwrap();
    let targets = match loss {
        "binary_cross_entropy" => Targets::Classes { classes: &two, count: 2 },
        "cross_entropy" => Targets::Classes { classes: &classes, count: 3 },
        _ => Targets::Numbers { values: &values, outputs: 2 },
    };
    let samples = Samples { features: &features, columns: 4, targets };
    let trained = fit(&recipe, &samples, None, &mut (), &AtomicBool::new(false)).unwrap();
    (features, trained)
}

/// Runs every output of a network that went through a file's bytes.
fn run(trained: &Trained, features: &[f32]) -> (Network, Vec<Vec<f32>>) {
    let bytes = trained.to_network().unwrap().to_bytes().unwrap();
    let network = Network::from_bytes(&bytes, None).unwrap();
    let how = Specialisation { rows: ROWS, ..Specialisation::default() };
    let plan = Plan::new(&network.specialise(&how, network.outputs()).unwrap().graph).unwrap();
    let mut workspace = plan.workspace();
    let SliceMut::F32(input) = plan.input(&mut workspace, 0) else { panic!("an input of f32") };
    input.copy_from_slice(features);
    plan.run(&mut workspace, None).unwrap();
    let output = |i| match plan.output(&workspace, i) {
        Slice::F32(values) => values.to_vec(),
        other => panic!("{other:?}"),
    };
    let outputs = (0..plan.outputs().len()).map(output).collect();
    (network, outputs)
}

#[track_caller]
fn check_close(got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!((got - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{got}, not {expected}");
    }
}

#[test]
fn every_activation_is_written() {
    let all = ["relu", "tanh", "sigmoid", "elu", "leaky_relu", "gelu", "silu", "softplus", "identity"];
    for activation in all {
        let (features, trained) = train("binary_cross_entropy", activation, false);
        let (network, outputs) = run(&trained, &features);
        assert_eq!(network.output_names().collect::<Vec<_>>(), ["logit", "probability"]);
        check_close(&outputs[0], &trained.predict(&features).unwrap());
        if activation != "identity" {
            network.resolve(&format!("{activation}2")).unwrap();
        }
    }
}

#[test]
fn names_and_shapes_are_those_promised() {
    let (_, trained) = train("binary_cross_entropy", "relu", false);
    let network = trained.to_network().unwrap();
    let input = &network.symbols()[network.inputs()[0]];
    assert_eq!(input.name, "input");
    let shape = input.declared.as_ref().unwrap().shape.clone().unwrap();
    assert_eq!(shape, [Dim::Symbol("batch".into()), Dim::Fixed(4)]);
    let nodes: Vec<&str> = network.nodes().iter().map(|node| node.name.as_str()).collect();
    assert_eq!(nodes, ["layer1", "relu1", "layer2", "relu2", "layer3", "probability"]);
    for name in ["layer1.weight", "layer1.bias", "layer3.weight", "layer3.bias", "layer2", "relu1", "logit"] {
        network.resolve(name).unwrap();
    }
}

#[test]
fn probabilities_are_of_the_logits() {
    let (features, trained) = train("binary_cross_entropy", "relu", false);
    let (_, outputs) = run(&trained, &features);
    let sigmoids: Vec<f32> = outputs[0].iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect();
    check_close(&outputs[1], &sigmoids);

    let (features, trained) = train("cross_entropy", "tanh", false);
    let (network, outputs) = run(&trained, &features);
    assert_eq!(network.output_names().collect::<Vec<_>>(), ["logit", "probability"]);
    check_close(&outputs[0], &trained.predict(&features).unwrap());
    for (logits, probabilities) in outputs[0].chunks(3).zip(outputs[1].chunks(3)) {
        let sum: f32 = logits.iter().map(|z| z.exp()).sum();
        check_close(probabilities, &logits.iter().map(|z| z.exp() / sum).collect::<Vec<_>>());
    }
}

#[test]
fn predictions_are_in_the_targets_units() {
    for standardise in [false, true] {
        let (features, trained) = train("squared_error", "relu", standardise);
        let (network, outputs) = run(&trained, &features);
        assert_eq!(network.output_names().collect::<Vec<_>>(), ["prediction"]);
        assert_eq!(outputs[0].len(), 2 * ROWS);
        check_close(&outputs[0], &trained.predict(&features).unwrap());
        let mean = outputs[0].iter().sum::<f32>() / outputs[0].len() as f32;
        assert_eq!((60.0..140.0).contains(&mean), standardise, "{mean}");
    }
}
