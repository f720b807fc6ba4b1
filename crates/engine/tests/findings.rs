//! Random graphs, and inputs that fuzzing found or began with: they run or are refused, and the plan is the plain evaluation.

mod fuzzed;

use pellucid_graph::random::Stream;

/// Every file of a folder of inputs.
fn replay(folder: &str, check: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzzed/inputs").join(folder);
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        check(&std::fs::read(path).unwrap());
        seen += 1;
    }
    assert!(seen > 0, "no inputs in {}", folder.display());
}

#[test]
fn models_that_were_found() {
    replay("onnx", fuzzed::models::model);
}

#[test]
fn graphs_that_were_found() {
    replay("graphs", fuzzed::graphs::graph);
}

#[test]
fn random_graphs_run_as_planned() {
    for key in 0..3000 {
        let mut stream = Stream::new(101, [key, 0, 0]);
        let bytes: Vec<u8> = (0..64 + stream.below(700)).map(|_| stream.bits() as u8).collect();
        fuzzed::graphs::graph(&bytes);
    }
}
