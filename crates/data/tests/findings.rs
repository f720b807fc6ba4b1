//! Files that fuzzing found or began with: they are read or refused.

mod fuzzed;

/// Every file of a folder of inputs.
fn replay(folder: &str, check: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzzed/inputs").join(folder);
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        seen += 1;
    }
    assert!(seen > 0, "no inputs in {}", folder.display());
}

#[test]
fn tables_that_were_found() {
    replay("csv", fuzzed::csv::table);
}

#[cfg(feature = "images")]
#[test]
fn pictures_that_were_found() {
    replay("images", fuzzed::images::picture);
}
