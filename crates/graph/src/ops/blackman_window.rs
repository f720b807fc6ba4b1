//! BlackmanWindow: Blackman's window of a given length, 0.42 − 0.5 · cos(2πk/n) + 0.08 · cos(4πk/n).

super::cosines::cosine_window!(
    BlackmanWindow,
    17,
    "Blackman's window of a given length",
    [0.42, 0.5, 0.08],
    [0.0, 0.34, 1.0, 0.34]
);
