//! HannWindow: Hann's window of a given length, 0.5 − 0.5 · cos(2πk/n).

super::cosines::cosine_window!(
    HannWindow,
    17,
    "Hann's window of a given length",
    [0.5, 0.5, 0.0],
    [0.0, 0.5, 1.0, 0.5]
);
