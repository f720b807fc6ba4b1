//! Numbers as people read them: thousands separators, a true minus sign, and `n/a` for what is no number.

/// What stands where a number is missing or not finite.
pub const NOT_AVAILABLE: &str = "n/a";

/// The minus sign of every formatted number, U+2212.
pub(crate) const MINUS: char = '\u{2212}';

/// A number with four significant digits: `0.2135`, `1,787`, `12,346`, `−3.142`, `1.235e−7`.
///
/// Whole numbers below one quadrillion are written out whole.
pub fn format_number(value: f64) -> String {
    if value.is_finite() && value.fract() == 0.0 && value.abs() < 1e15 {
        return format_fixed(value, 0);
    }
    let text = format_significant(value, 4);
    match text.split_once('e') {
        Some((mantissa, exponent)) => format!("{}e{exponent}", without_trailing_zeros(mantissa)),
        None => without_trailing_zeros(&text).to_owned(),
    }
}

/// A number with the given count of significant digits (1 to 17), keeping trailing zeros.
///
/// Digits before the point are never rounded away. Numbers from 1e15 on and below 1e-5 have an exponent.
pub fn format_significant(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return NOT_AVAILABLE.to_owned();
    }
    let digits = digits.clamp(1, 17);
    if value == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:.*e}", digits - 1, value.abs());
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-5..15).contains(&exponent) {
        let decimals = (digits as i32 - 1 - exponent).max(0) as usize;
        return format_fixed(value, decimals);
    }
    let sign = if value < 0.0 { MINUS.to_string() } else { String::new() };
    let exponent_sign = if exponent < 0 { MINUS.to_string() } else { String::new() };
    format!("{sign}{mantissa}e{exponent_sign}{}", exponent.unsigned_abs())
}

/// A number with a fixed count of decimals (at most 17) and thousands separators; minus zero is zero.
pub fn format_fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NOT_AVAILABLE.to_owned();
    }
    if value.abs() >= 1e15 {
        return format_significant(value, decimals.max(3) + 1);
    }
    let digits = format!("{:.*}", decimals.min(17), value.abs());
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    let mut text = String::new();
    if value < 0.0 && digits.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        text.push(MINUS);
    }
    text.push_str(&with_thousands(whole));
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    text
}

/// A number with a fixed count of decimals and always a sign, except for zero: `+0.213`, `−0.087`, `0.000`.
///
/// A number that would round to zero, but is not, keeps one significant digit: `+0.0004`.
pub fn format_signed(value: f64, decimals: usize) -> String {
    let text = format_visible(value, decimals);
    if value.is_finite() && value > 0.0 { format!("+{text}") } else { text }
}

/// A fixed count of decimals, or one significant digit where that would show a zero that is none.
pub(crate) fn format_visible(value: f64, decimals: usize) -> String {
    let text = format_fixed(value, decimals);
    let shows_zero = !text.bytes().any(|b| (b'1'..=b'9').contains(&b));
    if value.is_finite() && value != 0.0 && shows_zero { format_significant(value, 1) } else { text }
}

/// A share as a percentage: 0.1234 with one decimal is `12.3 %`.
pub fn format_percent(share: f64, decimals: usize) -> String {
    let percent = share * 100.0;
    if !percent.is_finite() {
        return NOT_AVAILABLE.to_owned();
    }
    format!("{}\u{a0}%", format_fixed(percent, decimals))
}

/// A count with thousands separators.
pub fn format_count(count: u64) -> String {
    with_thousands(&count.to_string())
}

/// A sum of counts with thousands separators.
pub(crate) fn format_total(total: u128) -> String {
    with_thousands(&total.to_string())
}

/// The decimals that show the largest of some numbers with the given significant digits.
pub(crate) fn shared_decimals(largest: f64, digits: usize) -> usize {
    if !largest.is_finite() || largest <= 0.0 {
        return digits.saturating_sub(1);
    }
    let magnitude = largest.log10().floor() as i32;
    (digits as i32 - 1 - magnitude).clamp(0, 12) as usize
}

fn without_trailing_zeros(text: &str) -> &str {
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text }
}

fn with_thousands(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(got: impl AsRef<str>, expected: &str) {
        assert_eq!(got.as_ref().replace(MINUS, "-").replace('\u{a0}', " "), expected);
    }

    #[test]
    fn numbers_read_well() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1787.0, "1,787"),
            (-1_234_567.0, "-1,234,567"),
            (0.21348, "0.2135"),
            (12_345.678, "12,346"),
            (-3.25149, "-3.251"),
            (0.5, "0.5"),
            (0.999_96, "1"),
            (1.23456e-7, "1.235e-7"),
            (-1.0e-9, "-1e-9"),
            (1e15, "1e15"),
            (1.5e300, "1.5e300"),
            (f64::MIN_POSITIVE / 4.0, "5.563e-309"),
            (f64::NAN, "n/a"),
            (f64::INFINITY, "n/a"),
            (f64::NEG_INFINITY, "n/a"),
        ] {
            check(format_number(value), expected);
        }
    }

    #[test]
    fn fixed_signed_and_percent() {
        check(format_fixed(-0.0004, 3), "0.000");
        check(format_fixed(999.9996, 3), "1,000.000");
        check(format_fixed(-1.5e20, 2), "-1.500e20");
        check(format_signed(0.2134, 3), "+0.213");
        check(format_signed(-0.2134, 3), "-0.213");
        check(format_signed(0.0, 3), "0.000");
        check(format_signed(0.0004, 3), "+0.0004");
        check(format_signed(-4e-9, 3), "-4e-9");
        check(format_signed(f64::NAN, 3), "n/a");
        check(format_percent(0.1234, 1), "12.3 %");
        check(format_percent(f64::NAN, 1), "n/a");
        check(format_count(4521), "4,521");
        check(format_significant(0.999_96, 3), "1.00");
        check(format_significant(123_456.0, 2), "123,456");
    }

    #[test]
    fn decimals_follow_the_largest() {
        for (largest, decimals) in [(0.21, 3), (1.0, 2), (123.0, 0), (0.0, 2), (1e-30, 12), (f64::NAN, 2)] {
            assert_eq!(shared_decimals(largest, 3), decimals, "{largest}");
        }
    }
}
