//! The lists of the ONNX project's test cases: what passes and what is left out do not overlap, are all, and are counted in the README.

use std::collections::BTreeSet;

fn text(path: &str) -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(path)).unwrap()
}

/// `1234` as `1,234`.
fn grouped(n: usize) -> String {
    if n < 1000 { n.to_string() } else { format!("{},{:03}", n / 1000, n % 1000) }
}

#[test]
fn what_passes_and_what_is_left_out_are_all_cases() {
    let (passing, left_out) = (text("conformance/passing.txt"), text("conformance/left-out.txt"));
    let passing: BTreeSet<&str> = passing.lines().collect();
    let names: Vec<&str> = left_out.lines().filter_map(|line| line.strip_prefix("    ")).collect();
    let missing: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(missing.len(), names.len(), "a case is left out for two reasons");
    assert_eq!(passing.intersection(&missing).next(), None, "a case passes and is left out");
    assert_eq!(passing.len() + missing.len(), 1884, "cases of ONNX 1.23.2");
    assert!(left_out.starts_with(&format!("{} cases are left out.", missing.len())));
    let readme = text("README.md");
    assert!(
        readme.contains(&format!("{} of the ONNX project's own 1,884", grouped(passing.len()))),
        "README.md"
    );
}
