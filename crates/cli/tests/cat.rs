//! `examples/02-cat`: a real network on a real picture. Skipped, with a word, where the model has not been built.
#![cfg(feature = "images")]

use std::path::{Path, PathBuf};
use std::process::Command;

fn example() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/02-cat")
}

/// The model that `get_model.py` writes, or the file that the environment names.
#[allow(clippy::print_stderr)]
fn model() -> Option<PathBuf> {
    let named = std::env::var_os("PELLUCID_CAT_MODEL").map(PathBuf::from);
    let path = named.unwrap_or_else(|| example().join("model.onnx"));
    let found = path.is_file().then_some(path);
    if found.is_none() {
        eprintln!("skipped: no model; examples/02-cat/get_model.py builds it");
    }
    found
}

fn explain(model: &Path, arguments: &[&str]) -> String {
    let picture = example().join("cat.png");
    let mut command = Command::new(env!("CARGO_BIN_EXE_pellucid"));
    command.arg("explain").arg(model).arg(picture).args(arguments).env("NO_COLOR", "1");
    // The same preparation that the built model says itself, for a file that says nothing.
    command.args(["--image-size", "256", "--crop", "224", "--mean", "imagenet", "--std", "imagenet"]);
    command.arg("--classes").arg(example().join("classes.txt"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_cat_is_a_cat_and_the_heat_is_on_its_eyes_and_nose() {
    let Some(model) = model() else { return };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tabby.npy");
    let out = file.to_str().unwrap();
    let text = explain(&model, &["--top", "3", "--method", "saliency", "--target", "tabby"]);
    for (name, expected) in [("Egyptian cat", 0.3554), ("tabby", 0.2821), ("tiger cat", 0.2242)] {
        let line =
            text.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("no {name} in {text}"));
        let found: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
        assert!((found - expected).abs() < 0.01, "{line}, expected {expected}");
    }
    explain(&model, &["--target", "tabby", "--output", out, "--nodes", "16"]);
    let map = pellucid_data::arrays::load_one(&file, None).unwrap();
    let values = map.to_f64().unwrap();
    assert_eq!(values.len(), 3 * 224 * 224);
    let (mut on, mut off) = ((0.0, 0usize), (0.0, 0usize));
    for y in 0..224 {
        for x in 0..224 {
            let pixel: f64 = (0..3).map(|c| values[(c * 224 + y) * 224 + x]).sum();
            let side = if is_face(x, y) { &mut on } else { &mut off };
            side.0 += pixel.abs();
            side.1 += 1;
        }
    }
    let density = |(sum, count): (f64, usize)| sum / count as f64;
    assert!(density(on) > 2.0 * density(off), "{} on eyes and nose, {} elsewhere", density(on), density(off));
}

/// Both eyes and the nose, in the pixels that the network sees: a sixth of them.
fn is_face(x: usize, y: usize) -> bool {
    let boxes = [(45..115, 55..115), (168..205, 72..115), (112..165, 165..215)];
    boxes.iter().any(|(columns, rows)| columns.contains(&x) && rows.contains(&y))
}
