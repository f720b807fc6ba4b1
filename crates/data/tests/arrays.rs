//! Arrays: files that numpy and torch wrote, there and back, and every kind of broken file.

use pellucid_data::ErrorKind;
use pellucid_data::arrays::{
    load, load_one, read_npy, read_npz, read_safetensors, save, write_npy, write_npz, write_safetensors,
};
use pellucid_graph::{Buffer, Tensor, random::Stream};

fn file(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)
}

fn named(name: &str, tensor: Tensor) -> (String, Tensor) {
    (name.to_owned(), tensor)
}

#[test]
fn files_of_numpy_and_torch() {
    let counted = Tensor::new(&[2, 3, 4], (0..24i16).collect()).unwrap();
    assert_eq!(load(file("fortran.npy")).unwrap(), [named("", counted)]);
    let a = Tensor::new(&[2, 3], (0..6).map(|x| x as f32).collect()).unwrap();
    assert_eq!(load(file("half.npy")).unwrap(), [named("", a.clone())]);
    let b = Tensor::vector(vec![1i64, 2]);
    assert_eq!(load(file("numpy.npz")).unwrap(), [named("a", a.clone()), named("b", b)]);
    assert_eq!(load_one(file("numpy-stored.npz"), None).unwrap(), a);
    let torch = load(file("torch.safetensors")).unwrap();
    let half = Tensor::vector(vec![0.5f32, -2.0]);
    assert_eq!(torch, [named("h", half), named("n", Tensor::vector(vec![3i64])), named("w", a.clone())]);
    assert_eq!(load_one(file("torch.safetensors"), Some("w")).unwrap(), a);
    let error = load_one(file("torch.safetensors"), Some("x")).unwrap_err();
    assert!(
        error.to_string().ends_with("no array named \"x\"; the arrays are \"h\", \"n\", \"w\""),
        "{error}"
    );
    assert!(matches!(
        load_one(file("torch.safetensors"), None).unwrap_err().kind(),
        ErrorKind::InvalidOption(_)
    ));
}

fn all_types() -> Vec<(String, Tensor)> {
    let buffers = [
        Buffer::F32(vec![0.5, f32::NAN.copysign(-1.0), -0.0, f32::INFINITY]),
        Buffer::F64(vec![0.1, 1e300, f64::MIN_POSITIVE, -2.0]),
        Buffer::I8(vec![-128, 0, 1, 127]),
        Buffer::I16(vec![i16::MIN, 0, 1, 2]),
        Buffer::I32(vec![i32::MIN, 0, 1, 2]),
        Buffer::I64(vec![i64::MIN, 0, 1, 2]),
        Buffer::U8(vec![0, 1, 2, 255]),
        Buffer::U16(vec![0, 1, 2, u16::MAX]),
        Buffer::U32(vec![0, 1, 2, u32::MAX]),
        Buffer::U64(vec![0, 1, 2, u64::MAX]),
        Buffer::Bool(vec![true, false, true, true]),
    ];
    let mut all: Vec<_> = buffers
        .into_iter()
        .enumerate()
        .map(|(i, b)| named(&format!("t{i:02}"), Tensor::from_buffer(&[2, 2], b).unwrap()))
        .collect();
    all.push(named("u", Tensor::scalar(7.0f32)));
    all.push(named("v", Tensor::new::<f64>(&[0, 3], vec![]).unwrap()));
    all
}

/// Bits, since NaN is not itself.
fn bits(arrays: &[(String, Tensor)]) -> Vec<String> {
    arrays.iter().map(|(n, t)| format!("{n} {:?} {:?} {:?}", t.dtype(), t.shape(), t.data())).collect()
}

#[test]
fn arrays_come_back_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.npz", "a.safetensors"] {
        save(folder.path().join(name), &all_types()).unwrap();
        assert_eq!(bits(&load(folder.path().join(name)).unwrap()), bits(&all_types()), "{name}");
    }
    for (name, tensor) in all_types() {
        let path = folder.path().join("a.npy");
        save(&path, &[named(&name, tensor.clone())]).unwrap();
        assert_eq!(bits(&[named("", load_one(&path, None).unwrap())]), bits(&[named("", tensor)]));
    }
    assert!(save(folder.path().join("b.npy"), &all_types()).is_err());
    assert!(save(folder.path().join("b.txt"), &all_types()).is_err());
    let strings = [named("s", Tensor::vector(vec!["a".to_owned()]))];
    for name in ["b.npy", "b.npz", "b.safetensors"] {
        let error = save(folder.path().join(name), &strings).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unsupported { .. }));
        assert!(!folder.path().join(name).exists());
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
}

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.bytes());
    bytes.extend(data);
    bytes
}

#[track_caller]
fn broken_npy(header: &str, data: &[u8], message: &str) {
    let error = read_npy(&npy(header, data)).unwrap_err();
    assert!(error.to_string().contains(message), "{error}");
}

#[test]
fn broken_npy_files() {
    let header = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    assert_eq!(read_npy(&npy(&header("(2,)"), &[0; 8])).unwrap().shape(), [2]);
    assert_eq!(read_npy(&npy(&header("(2L, 1L)"), &[0; 8])).unwrap().shape(), [2, 1]);
    broken_npy(&header("(2,)"), &[0; 7], "the shape [2] does not fit 7 bytes");
    broken_npy(&header("(2,)"), &[0; 9], "does not fit");
    broken_npy(&header("(18446744073709551615, 2)"), &[0; 8], "does not fit");
    broken_npy(&header("(4611686018427387904,)"), &[0; 8], "does not fit");
    broken_npy(&header("(-1,)"), &[0; 8], "the header");
    broken_npy(&header("(2"), &[0; 8], "the header");
    broken_npy(&header("((2,))"), &[0; 8], "the header");
    broken_npy("{'descr': '<f4', 'shape': (2,)}", &[0; 8], "the header");
    broken_npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}", &[0; 8], "the header");
    broken_npy(
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
        &[0; 8],
        "of type \"|O\" are not read",
    );
    broken_npy("{'descr': '<c8', 'fortran_order': False, 'shape': (1,)}", &[0; 8], "are not read");
    broken_npy("{'descr': 'é', 'fortran_order': False, 'shape': (1,)}", &[0; 8], "are not read");
    broken_npy("", &[0; 8], "the header");
    let whole = npy(&header("(2,)"), &[0; 8]);
    for length in 0..whole.len() {
        assert!(read_npy(&whole[..length]).is_err(), "{length}");
    }
    let mut long = whole;
    long[6] = 2;
    long[8..12].fill(255);
    assert!(read_npy(&long).unwrap_err().to_string().contains("ends inside the header"));
}

#[test]
fn any_change_of_a_byte_is_an_error_or_an_array() {
    let arrays = all_types();
    let mut stream = Stream::new(11, [0; 3]);
    let mut single = Vec::new();
    write_npy(&arrays[0].1, &mut single).unwrap();
    let archives = [write_npz(&arrays).unwrap(), std::fs::read(file("numpy.npz")).unwrap()];
    let tensors = write_safetensors(&arrays).unwrap();
    for _ in 0..4000 {
        let mutate = |bytes: &[u8], stream: &mut Stream| {
            let mut bytes = bytes.to_vec();
            for _ in 0..=stream.below(3) {
                let at = stream.below(bytes.len() as u64) as usize;
                bytes[at] = stream.bits() as u8;
            }
            bytes.truncate(bytes.len() - (stream.below(4) == 0) as usize * stream.below(50) as usize);
            bytes
        };
        // What counts is that none of these panics or takes memory that the file does not pay for.
        let _ = read_npy(&mutate(&single, &mut stream));
        let _ = read_npz(&mutate(&archives[0], &mut stream));
        let _ = read_npz(&mutate(&archives[1], &mut stream));
        let _ = read_safetensors(&mutate(&tensors, &mut stream));
    }
}

#[test]
fn files_that_hold_no_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    assert!(matches!(load(&path).unwrap_err().kind(), ErrorKind::Io(_)));
    std::fs::write(&path, b"").unwrap();
    assert!(matches!(load(&path).unwrap_err().kind(), ErrorKind::EmptyFile));
    std::fs::write(&path, b"a,b\n1,2\n").unwrap();
    assert!(matches!(load(&path).unwrap_err().kind(), ErrorKind::Unsupported { .. }));
}
