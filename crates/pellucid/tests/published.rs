//! Numbers that Captum's own tests publish, on networks with fixed weights.

mod common;

use common::{dense, explain, layer, method, multi_layer, rows, spec};
use pellucid::{Baseline, Batch, Model, Spec, Target};

struct Case {
    model: Model,
    method: &'static str,
    layer: Option<&'static str>,
    target: Target,
    baseline: Baseline,
    mask: Option<Vec<i64>>,
    input: Vec<f32>,
    expected: Vec<f64>,
    tolerance: f64,
}

fn case(method: &'static str, input: &[f32], expected: &[f64]) -> Case {
    Case {
        model: multi_layer(),
        method,
        layer: None,
        target: Target::Index(vec![0]),
        baseline: Baseline::Zero,
        mask: None,
        input: input.to_vec(),
        expected: expected.to_vec(),
        tolerance: 0.1,
    }
}

/// Captum's `ReLUDeepLiftModel`: 2·relu(x1) + 2·relu(x2 − 1.5).
fn relu_deep_lift() -> Model {
    dense(2, &[layer(&[1.0, 0.0, 0.0, 1.0], &[0.0, -1.5], Some("relu")), layer(&[2.0, 2.0], &[0.0], None)])
}

/// f = relu(relu(x1) − 1 − relu(x2)): Captum's `BasicModel2`.
fn basic2() -> Model {
    dense(
        2,
        &[layer(&[1.0, 0.0, 0.0, 1.0], &[0.0; 2], Some("relu")), layer(&[1.0, -1.0], &[-1.0], Some("relu"))],
    )
}

#[test]
fn published_numbers_come_out() {
    let conductance = r#"{"name": "layer_conductance", "n_steps": 500}"#;
    let layer_ig = r#"{"name": "layer_integrated_gradients", "n_steps": 1500}"#;
    let in_layer = |layer, c: Case| Case { layer: Some(layer), ..c };
    let whole = |model: fn() -> Model, c: Case| Case { model: model(), target: Target::Output, ..c };
    let activation_gradient = r#"{"name": "layer_gradient_x_activation"}"#;
    let ablation = r#"{"name": "feature_ablation"}"#;
    let cases = [
        whole(basic2, case(r#"{"name": "integrated_gradients", "n_steps": 500}"#, &[3.0, 1.0], &[1.5, -0.5])),
        whole(
            basic2,
            case(
                r#"{"name": "integrated_gradients", "n_steps": 500, "multiply_by_inputs": false}"#,
                &[3.0, 1.0],
                &[0.5, -0.5],
            ),
        ),
        in_layer("linear0", case(conductance, &[0.0, 100.0, 0.0], &[0.0, 390.0, 0.0])),
        in_layer("linear1", case(conductance, &[0.0, 100.0, 0.0], &[90.0, 100.0, 100.0, 100.0])),
        in_layer("relu1", case(conductance, &[0.0, 100.0, 0.0], &[90.0, 100.0, 100.0, 100.0])),
        in_layer("linear2", case(conductance, &[0.0, 100.0, 0.0], &[390.0, 0.0])),
        in_layer("relu1", case(layer_ig, &[0.0, 100.0, 0.0], &[90.0, 100.0, 100.0, 100.0])),
        in_layer("linear0", case(activation_gradient, &[0.0, 100.0, 0.0], &[0.0, 400.0, 0.0])),
        in_layer("linear1", case(activation_gradient, &[0.0, 100.0, 0.0], &[90.0, 101.0, 101.0, 101.0])),
        in_layer("linear2", case(activation_gradient, &[0.0, 100.0, 0.0], &[392.0, 0.0])),
        in_layer("relu1", case(activation_gradient, &[3.0, 4.0, 0.0], &[0.0, 8.0, 8.0, 8.0])),
        case(ablation, &[20.0, 50.0, 30.0], &[80.0, 200.0, 120.0]),
        Case { mask: Some(vec![0, 0, 1]), ..case(ablation, &[20.0, 50.0, 30.0], &[280.0, 280.0, 120.0]) },
        Case {
            mask: Some(vec![0, 0, 1]),
            baseline: Baseline::Scalar(4.0),
            ..case(ablation, &[20.0, 50.0, 30.0], &[248.0, 248.0, 104.0])
        },
        case(ablation, &[2.0, 10.0, 3.0], &[8.0, 35.0, 12.0]),
        whole(relu_deep_lift, case(r#"{"name": "deep_lift"}"#, &[1.0, 2.0], &[2.0, 1.0])),
        whole(
            relu_deep_lift,
            case(r#"{"name": "deep_lift", "multiply_by_inputs": false}"#, &[1.0, 2.0], &[2.0, 0.5]),
        ),
    ];
    for case in cases {
        let batch = Batch {
            feature_mask: case.mask.map(|m| vec![pellucid::graph::Tensor::new(&[1, m.len()], m).unwrap()]),
            ..Batch::new(vec![rows(&[&case.input])])
        };
        let spec = Spec {
            targets: vec![case.target],
            baseline: case.baseline,
            layer: case.layer.map(str::to_owned),
            ..spec(method(case.method))
        };
        let found = explain(&case.model, &spec, &batch).attributions[0].to_f64().unwrap();
        assert_eq!(found.len(), case.expected.len(), "{} of {:?}", case.method, case.layer);
        for (a, b) in found.iter().zip(&case.expected) {
            assert!(
                (a - b).abs() <= case.tolerance,
                "{} of {:?}: {found:?}, expected {:?}",
                case.method,
                case.layer,
                case.expected
            );
        }
    }
}
