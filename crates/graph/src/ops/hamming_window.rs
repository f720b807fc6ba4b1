//! HammingWindow: Hamming's window of a given length, 25/46 − 21/46 · cos(2πk/n).

super::cosines::cosine_window!(
    HammingWindow,
    17,
    "Hamming's window of a given length",
    [25.0 / 46.0, 21.0 / 46.0, 0.0],
    [4.0 / 46.0, 25.0 / 46.0, 1.0, 25.0 / 46.0]
);
