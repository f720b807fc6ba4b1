//! Ticks at round numbers.

use crate::number::{format_fixed, format_significant};

/// Round numbers within a range, evenly spaced, with their texts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ticks {
    pub(crate) values: Vec<f64>,
    pub(crate) labels: Vec<String>,
}

/// At most `most` + 1 ticks within the range; none if the range is not finite or empty.
pub(crate) fn ticks(low: f64, high: f64, most: usize) -> Ticks {
    let step = round_step((high - low) / most.max(1) as f64);
    let (first, last) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
    let usable = step.is_finite() && step > 0.0 && first.is_finite() && last.is_finite();
    if !usable || last < first || last - first > 100.0 || first.abs().max(last.abs()) > 1e12 {
        return Ticks { values: Vec::new(), labels: Vec::new() };
    }
    let values: Vec<f64> = (0..=(last - first) as usize).map(|i| (first + i as f64) * step).collect();
    let decimals = (-step.log10().floor()).max(0.0) as usize;
    let far_from_one = !(1e-4..1e12).contains(&step);
    let text = |v: &f64| if far_from_one { format_significant(*v, 2) } else { format_fixed(*v, decimals) };
    let labels = values.iter().map(text).collect();
    Ticks { values, labels }
}

/// The next of 1, 2, 2.5 and 5 times a power of ten that is not below the number given.
///
/// 2.5 is left out below a power of ten where it would need one decimal more than its neighbours.
fn round_step(at_least: f64) -> f64 {
    if !at_least.is_finite() || at_least <= 0.0 {
        return f64::NAN;
    }
    let power = 10f64.powf(at_least.log10().floor());
    for factor in [1.0, 2.0, 5.0] {
        if factor * power >= at_least * (1.0 - 1e-9) {
            return factor * power;
        }
    }
    10.0 * power
}

/// A range widened to hold every finite number given, with some air; None if there is none.
pub(crate) fn padded_range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return None;
    }
    let spread = high / 2.0 - low / 2.0;
    let pad = if spread > 0.0 { spread * 0.1 } else { (high.abs() * 0.1).max(1e-9) };
    let (padded_low, padded_high) = (low - pad, high + pad);
    // A loss that is never negative gets no axis below zero.
    let padded_low = if low >= 0.0 { padded_low.max(0.0) } else { padded_low };
    (padded_low.is_finite() && padded_high.is_finite()).then_some((padded_low, padded_high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(low: f64, high: f64, most: usize, expected: &[&str]) {
        let labels: Vec<_> =
            ticks(low, high, most).labels.iter().map(|l| l.replace('\u{2212}', "-")).collect();
        assert_eq!(labels, expected);
    }

    #[test]
    fn ticks_are_round() {
        check(0.0, 1.0, 5, &["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        check(-0.3, 0.61, 5, &["-0.2", "0.0", "0.2", "0.4", "0.6"]);
        check(0.0, 4521.0, 5, &["0", "1,000", "2,000", "3,000", "4,000"]);
        check(0.0, 3e-7, 3, &["0", "1.0e-7", "2.0e-7", "3.0e-7"]);
        check(0.0, 1e300, 2, &["0", "5.0e299", "1.0e300"]);
    }

    #[test]
    fn no_range_no_ticks() {
        for (low, high) in [(0.0, 0.0), (f64::NAN, 1.0), (0.0, f64::INFINITY), (2.0, 1.0), (-1e308, 1.7e308)]
        {
            let t = ticks(low, high, 5);
            assert!(t.values.iter().all(|v| v.is_finite()) && t.values.len() <= 7, "{low} {high} {t:?}");
        }
        check(1.0, 1.0, 5, &[]);
        check(1e18, 1e18 + 1024.0, 5, &[]);
    }

    #[test]
    fn ranges_hold_the_numbers() {
        assert_eq!(padded_range([f64::NAN].into_iter()), None);
        for values in [vec![0.0], vec![3.0, 3.0], vec![-1.0, 5.0], vec![0.1, 0.2], vec![1e-300]] {
            let (low, high) = padded_range(values.iter().copied()).unwrap();
            assert!(low < high && values.iter().all(|v| (low..=high).contains(v)), "{values:?}");
        }
        assert_eq!(padded_range([0.1, 5.0].into_iter()).unwrap().0, 0.0);
    }
}
