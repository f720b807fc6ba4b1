//! What goes wrong every day: places that are not there, names half remembered, work that is broken off.

mod common;

use common::Place;

#[test]
fn places_that_cannot_be_written_are_refused_before_the_work() {
    let place = Place::new();
    std::fs::create_dir(place.path("taken.csv")).unwrap();
    // More work than a test would wait for.
    let long = ["--nodes", "10000000"];
    for (output, says) in
        [("nowhere/out.csv", "there is no folder nowhere"), ("taken.csv", "taken.csv: it is a folder")]
    {
        place.refuses(&[&long[..], &["--output", output]].concat(), 1, &["cannot write", says]);
        place.refuses(&[&long[..], &["--global", "--output", output]].concat(), 1, &["cannot write", says]);
    }
    place
        .run(&["export", "model.onnx", "nowhere/out.onnx"])
        .refused(1, &["nowhere/out.onnx", "there is no folder nowhere"]);
}

#[test]
fn methods_go_by_any_spelling() {
    let place = Place::new();
    let one = place.explain(&["--method", "integrated_gradients", "--rows", "0", "--format", "csv"]);
    for name in ["IntegratedGradients", "integrated-gradients", "integratedgradients"] {
        assert_eq!(place.explain(&["--method", name, "--rows", "0", "--format", "csv"]), one, "{name}");
        assert_eq!(place.run(&["methods", name]).code, 0, "{name}");
    }
    place.refuses(&["--method", "integrated"], 2, &["there is no method", "integrated_gradients"]);
}

#[cfg(unix)]
#[test]
fn what_is_broken_off_leaves_nothing() {
    use std::process::{Command, Stdio};
    use std::time::Duration;

    let place = Place::new();
    let rows = 200_000;
    let numbers = (0..rows * 7).map(|i| (i as f32 * 0.37).sin()).collect();
    let array = pellucid_graph::Tensor::new(&[rows, 7], numbers).unwrap();
    pellucid_data::arrays::save(place.path("many.npy"), &[(String::new(), array)]).unwrap();
    let before = files(&place);
    for signal in ["-INT", "-TERM"] {
        let arguments =
            ["explain", "model.onnx", "many.npy", "--nodes", "2000", "--threads", "1", "--output", "out.csv"];
        let mut child = place.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
        // Rows are being written as soon as there is a file under another name.
        while files(&place).len() == before.len() {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it wrote");
            std::thread::sleep(Duration::from_millis(20));
        }
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(130), "{signal}");
        assert!(String::from_utf8_lossy(&ended.stderr).contains("interrupted"), "{signal}");
        assert_eq!(files(&place), before, "{signal}");
    }
}

#[cfg(unix)]
fn files(place: &Place) -> Vec<std::path::PathBuf> {
    let mut all: Vec<_> =
        std::fs::read_dir(place.path("")).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    all
}
