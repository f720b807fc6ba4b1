//! Weights after a few steps are PyTorch's, for every loss, optimiser and activation.

use pellucid_train::{Recipe, Samples, Targets, fit};
use safetensors::SafeTensors;
use std::path::Path;
use std::sync::atomic::AtomicBool;

fn numbers(tensors: &SafeTensors<'_>, name: &str) -> Vec<f32> {
    let view = tensors.tensor(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    view.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

#[test]
fn steps_are_pytorchs() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let bytes = std::fs::read(folder.join("pytorch.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let text = std::fs::read_to_string(folder.join("pytorch.json")).unwrap();
    let recipes: Vec<Recipe> = serde_json::from_str(&text).unwrap();
    assert_eq!(recipes.len(), 63);
    let features = numbers(&tensors, "features");
    for (number, mut recipe) in recipes.into_iter().enumerate() {
        let first = recipe.network.initial_weights.take().unwrap();
        let outputs = if first.to_string_lossy().contains('3') { 3 } else { 1 };
        recipe.network.initial_weights = Some(folder.join(first));
        let kind = recipe.loss.name();
        let values = numbers(&tensors, &format!("targets.{kind}.{outputs}"));
        let classes: Vec<u32> = values.iter().map(|&y| y as u32).collect();
        let targets = match kind {
            "squared_error" => Targets::Numbers { values: &values, outputs },
            _ => Targets::Classes { classes: &classes, count: outputs.max(2) },
        };
        let samples = Samples { features: &features, columns: 4, targets };
        let trained = fit(&recipe, &samples, None, &mut (), &AtomicBool::new(false)).unwrap();
        assert_eq!(trained.layers().len(), 3);
        for (i, layer) in trained.layers().iter().enumerate() {
            for (name, got) in [("weight", layer.weight()), ("bias", layer.bias())] {
                let expected = numbers(&tensors, &format!("{number}.layer{}.{name}", i + 1));
                assert_eq!(got.len(), expected.len());
                for (got, expected) in got.iter().zip(expected) {
                    let gap = (got - expected).abs();
                    assert!(
                        gap < 1e-5,
                        "case {number}, layer {}.{name}: {got}, not {expected}\n{recipe:?}",
                        i + 1
                    );
                }
            }
        }
    }
}
