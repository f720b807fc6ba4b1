//! Numbers and truth values as text, and numbers that are written in another locale's form.

/// A number as it is read from text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Integer(i64),
    Float(f64),
}

/// How numbers are written: the decimal mark, and a separator between thousands.
#[derive(Clone, Copy, Debug)]
pub(super) struct NumberForm {
    pub(super) decimal: u8,
    pub(super) thousands: Option<u8>,
}

impl NumberForm {
    /// Reads a number, NaN and infinities included; spaces around it do not matter.
    pub(super) fn parse(self, field: &str) -> Option<Number> {
        if self.decimal == b'.' && self.thousands.is_none() {
            return parse(field);
        }
        let field = field.trim_ascii();
        let (whole, fraction) = match field.split_once(char::from(self.decimal)) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (field, None),
        };
        let digits: String = match self.thousands {
            Some(mark) if whole.contains(char::from(mark)) => {
                let mut groups = whole.split(char::from(mark));
                let first = groups.next().unwrap_or_default();
                let digits = first.trim_start_matches(['-', '+']).len();
                if !(1..=3).contains(&digits) || groups.clone().any(|g| g.len() != 3) {
                    return None;
                }
                groups.fold(first.to_owned(), |text, group| text + group)
            }
            _ => whole.to_owned(),
        };
        match fraction {
            Some(fraction) if fraction.contains('.') => None,
            Some(fraction) => parse(&format!("{digits}.{fraction}")),
            // A point that is not the decimal mark would be misread.
            None if digits.contains('.') => None,
            None => parse(&digits),
        }
    }
}

fn parse(field: &str) -> Option<Number> {
    if let Some(n) = small_integer(field.as_bytes()) {
        return Some(Number::Integer(n));
    }
    let field = field.trim_ascii();
    match field.parse::<i64>() {
        Ok(n) => Some(Number::Integer(n)),
        Err(_) => field.parse::<f64>().ok().map(Number::Float),
    }
}

/// Up to 18 digits with an optional minus: what most fields are.
fn small_integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0i64;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// Reads `true` or `false` in lower case, upper case or with a capital.
pub(super) fn parse_bool(field: &str) -> Option<bool> {
    match field {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// What to set so that a field is read as the number that another locale writes like this; `None` where
/// it is no such number.
pub(super) fn locale_hint(field: &str) -> Option<String> {
    let body = field.trim().trim_start_matches(['-', '+']);
    if !body.starts_with(|c: char| c.is_ascii_digit()) || !body.ends_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let marks: Vec<char> = body.chars().filter(|c| !c.is_ascii_digit()).collect();
    let allowed = |c: char| matches!(c, '.' | ',' | '\'' | '’' | ' ' | '\u{a0}' | '\u{202f}');
    let last = *marks.last()?;
    if !marks.iter().all(|&c| allowed(c)) || (marks == ['.']) {
        return None;
    }
    let groups: Vec<&str> = body.split(|c: char| !c.is_ascii_digit()).collect();
    // All groups between two marks have three digits, the first has one to three where it is followed by a
    // separator of thousands.
    let inner = &groups[1..groups.len() - 1];
    if inner.iter().any(|g| g.len() != 3) || (marks.len() > 1 && groups[0].len() > 3) {
        return None;
    }
    let first = marks[0];
    if marks[..marks.len() - 1].iter().any(|&c| c != first) {
        return None;
    }
    let name = |c: char| match c {
        ' ' | '\u{a0}' | '\u{202f}' => "a space".to_owned(),
        c => format!("'{c}'"),
    };
    let three = groups.last().is_some_and(|g| g.len() == 3);
    if marks.len() == 1 {
        return match last {
            ',' if three && groups[0].len() <= 3 => {
                Some("set the decimal mark to ',' or the thousands separator to ','".to_owned())
            }
            ',' => Some("set the decimal mark to ','".to_owned()),
            _ if three && groups[0].len() <= 3 => {
                Some(format!("set the thousands separator to {}", name(last)))
            }
            _ => None,
        };
    }
    if first == last {
        return three.then(|| format!("set the thousands separator to {}", name(last)));
    }
    match last {
        ',' | '.' => {
            Some(format!("set the decimal mark to '{last}' and the thousands separator to {}", name(first)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_numbers() {
        let form = NumberForm { decimal: b'.', thousands: None };
        let cases = [
            ("0", Some(Number::Integer(0))),
            ("-12", Some(Number::Integer(-12))),
            ("+7", Some(Number::Integer(7))),
            (" 7 ", Some(Number::Integer(7))),
            ("9223372036854775807", Some(Number::Integer(i64::MAX))),
            ("9223372036854775808", Some(Number::Float(9_223_372_036_854_775_808.0))),
            ("1.5e3", Some(Number::Float(1500.0))),
            (".5", Some(Number::Float(0.5))),
            ("", None),
            ("-", None),
            ("1,5", None),
            ("0x10", None),
            ("1_000", None),
            ("12a", None),
        ];
        for (text, expected) in cases {
            assert_eq!(form.parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn numbers_of_another_locale() {
        let german = NumberForm { decimal: b',', thousands: Some(b'.') };
        assert_eq!(german.parse("1.234,56"), Some(Number::Float(1234.56)));
        assert_eq!(german.parse("-1.234.567"), Some(Number::Integer(-1_234_567)));
        assert_eq!(german.parse("1.5"), None);
        assert_eq!(german.parse("12.34,5"), None);
        let decimal_comma = NumberForm { decimal: b',', thousands: None };
        assert_eq!(decimal_comma.parse("1,5"), Some(Number::Float(1.5)));
        assert_eq!(decimal_comma.parse("1.5"), None);
        let english = NumberForm { decimal: b'.', thousands: Some(b',') };
        assert_eq!(english.parse("1,234.5"), Some(Number::Float(1234.5)));
        assert_eq!(english.parse("1,5"), None);
    }

    #[test]
    fn hints() {
        let hint = |text: &str| locale_hint(text).unwrap_or_default();
        assert_eq!(hint("1,5"), "set the decimal mark to ','");
        assert_eq!(hint("1,234"), "set the decimal mark to ',' or the thousands separator to ','");
        assert_eq!(hint("1.234,56"), "set the decimal mark to ',' and the thousands separator to '.'");
        assert_eq!(hint("1,234.56"), "set the decimal mark to '.' and the thousands separator to ','");
        assert_eq!(hint("-1.234.567"), "set the thousands separator to '.'");
        assert_eq!(hint("1 234,5"), "set the decimal mark to ',' and the thousands separator to a space");
        assert_eq!(hint("1'234"), "set the thousands separator to '\\''".replace('\\', ""));
        for text in ["1.5", "abc", "12", "2020-01-02", "1,2,3", "192.168.0.1", "10:30", "1.2.3", ""] {
            assert_eq!(hint(text), "", "{text:?}");
        }
    }
}
