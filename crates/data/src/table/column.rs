//! One column: values of a type, each of which may be missing.

use super::ColumnType;

/// Values of one type and which of them are missing.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    values: Values,
    /// Empty where no value is missing, else one flag per value.
    missing: Vec<bool>,
}

/// The values of a column. Where one is missing, a placeholder stands: 0, NaN, false or an empty text.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Values {
    Integer(Vec<i64>),
    Float(Vec<f64>),
    Float32(Vec<f32>),
    Bool(Vec<bool>),
    Text(TextValues),
}

/// Texts, one behind the other in one string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextValues {
    bytes: String,
    ends: Vec<usize>,
}

impl TextValues {
    /// The number of texts.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// A text; panics beyond the last one, as slices do.
    pub fn get(&self, index: usize) -> &str {
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        &self.bytes[start..self.ends[index]]
    }

    /// Appends a text.
    pub fn push(&mut self, text: &str) {
        self.bytes.push_str(text);
        self.ends.push(self.bytes.len());
    }

    /// The texts.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        (0..self.len()).map(|i| self.get(i))
    }

    /// Some of the texts, in memory that is taken once.
    fn take(&self, rows: &[usize]) -> Self {
        let length = rows.iter().map(|&r| self.get(r).len()).sum();
        let mut taken = Self { bytes: String::with_capacity(length), ends: Vec::with_capacity(rows.len()) };
        rows.iter().for_each(|&r| taken.push(self.get(r)));
        taken
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

impl<S: AsRef<str>> FromIterator<S> for TextValues {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Self {
        let mut values = Self::default();
        texts.into_iter().for_each(|t| values.push(t.as_ref()));
        values
    }
}

/// One value of a table.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum Cell {
    Missing,
    Bool(bool),
    Integer(i64),
    Number(f64),
    Text(String),
}

impl std::fmt::Display for Cell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("missing"),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Integer(i) => write!(f, "{i}"),
            Self::Number(x) => write!(f, "{x}"),
            Self::Text(t) => f.write_str(t),
        }
    }
}

impl From<Values> for Column {
    fn from(values: Values) -> Self {
        Self { values, missing: Vec::new() }
    }
}

impl Column {
    /// No values of a type.
    pub fn new(column_type: ColumnType) -> Self {
        Self::from(match column_type {
            ColumnType::Integer => Values::Integer(Vec::new()),
            ColumnType::Float => Values::Float(Vec::new()),
            ColumnType::Float32 => Values::Float32(Vec::new()),
            ColumnType::Bool => Values::Bool(Vec::new()),
            ColumnType::Text => Values::Text(TextValues::default()),
        })
    }

    /// A column of numbers.
    pub fn floats(values: Vec<f64>) -> Self {
        Values::Float(values).into()
    }

    /// A column of numbers in single precision.
    pub fn floats32(values: Vec<f32>) -> Self {
        Values::Float32(values).into()
    }

    /// A column of whole numbers.
    pub fn integers(values: Vec<i64>) -> Self {
        Values::Integer(values).into()
    }

    /// A column of texts.
    pub fn texts<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Self {
        Values::Text(values.into_iter().collect()).into()
    }

    /// The values' type.
    pub fn column_type(&self) -> ColumnType {
        match &self.values {
            Values::Integer(_) => ColumnType::Integer,
            Values::Float(_) => ColumnType::Float,
            Values::Float32(_) => ColumnType::Float32,
            Values::Bool(_) => ColumnType::Bool,
            Values::Text(_) => ColumnType::Text,
        }
    }

    /// The values, placeholders where one is missing.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The number of values, missing ones included.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Integer(v) => v.len(),
            Values::Float(v) => v.len(),
            Values::Float32(v) => v.len(),
            Values::Bool(v) => v.len(),
            Values::Text(v) => v.len(),
        }
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a value is missing.
    pub fn is_missing(&self, index: usize) -> bool {
        self.missing.get(index).copied().unwrap_or(false)
    }

    /// How many values are missing.
    pub fn missing_count(&self) -> usize {
        self.missing.iter().filter(|m| **m).count()
    }

    /// A number; `None` where it is missing, or the column is not numeric.
    pub fn number(&self, index: usize) -> Option<f64> {
        if self.is_missing(index) {
            return None;
        }
        match &self.values {
            Values::Integer(v) => Some(v[index] as f64),
            Values::Float(v) => Some(v[index]),
            Values::Float32(v) => Some(f64::from(v[index])),
            Values::Bool(_) | Values::Text(_) => None,
        }
    }

    /// A text; `None` where it is missing, or the column is not text.
    pub fn text(&self, index: usize) -> Option<&str> {
        match &self.values {
            Values::Text(v) if !self.is_missing(index) => Some(v.get(index)),
            _ => None,
        }
    }

    /// A value of any type.
    pub fn cell(&self, index: usize) -> Cell {
        if self.is_missing(index) {
            return Cell::Missing;
        }
        match &self.values {
            Values::Integer(v) => Cell::Integer(v[index]),
            Values::Float(v) => Cell::Number(v[index]),
            Values::Float32(v) => Cell::Number(f64::from(v[index])),
            Values::Bool(v) => Cell::Bool(v[index]),
            Values::Text(v) => Cell::Text(v.get(index).to_owned()),
        }
    }

    /// Values with a flag for each that is missing, or none at all where none is.
    #[cfg(feature = "parquet")]
    pub(crate) fn of(values: Values, missing: Vec<bool>) -> Self {
        Self { values, missing }
    }

    /// Some of the values, in the order given; panics beyond the last one, as slices do.
    pub fn take(&self, rows: &[usize]) -> Self {
        fn pick<T: Copy>(values: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().map(|&r| values[r]).collect()
        }
        Self {
            values: match &self.values {
                Values::Integer(v) => Values::Integer(pick(v, rows)),
                Values::Float(v) => Values::Float(pick(v, rows)),
                Values::Float32(v) => Values::Float32(pick(v, rows)),
                Values::Bool(v) => Values::Bool(pick(v, rows)),
                Values::Text(v) => Values::Text(v.take(rows)),
            },
            missing: if self.missing.is_empty() { Vec::new() } else { pick(&self.missing, rows) },
        }
    }

    /// Appends a missing value.
    pub fn push_missing(&mut self) {
        let len = self.len();
        self.missing.resize(len, false);
        self.missing.push(true);
        match &mut self.values {
            Values::Integer(v) => v.push(0),
            Values::Float(v) => v.push(f64::NAN),
            Values::Float32(v) => v.push(f32::NAN),
            Values::Bool(v) => v.push(false),
            Values::Text(v) => v.push(""),
        }
    }

    /// Appends a value of the column's type; false, and nothing appended, for another type. Numbers widen.
    pub fn push(&mut self, cell: &Cell) -> bool {
        match (&mut self.values, cell) {
            (_, Cell::Missing) => {
                self.push_missing();
                return true;
            }
            (Values::Integer(v), Cell::Integer(x)) => v.push(*x),
            (Values::Float(v), Cell::Integer(x)) => v.push(*x as f64),
            (Values::Float(v), Cell::Number(x)) => v.push(*x),
            (Values::Float32(v), Cell::Number(x)) => v.push(*x as f32),
            (Values::Bool(v), Cell::Bool(x)) => v.push(*x),
            (Values::Text(v), Cell::Text(x)) => v.push(x),
            _ => return false,
        }
        self.present();
        true
    }

    /// Keeps the flags as long as the values, after a value that is there was appended.
    pub(crate) fn present(&mut self) {
        if !self.missing.is_empty() {
            self.missing.push(false);
        }
    }

    /// Marks a value as missing.
    #[cfg(feature = "parquet")]
    pub(crate) fn set_missing(&mut self, index: usize) {
        let len = self.len();
        self.missing.resize(len, false);
        self.missing[index] = true;
    }

    pub(crate) fn values_mut(&mut self) -> &mut Values {
        &mut self.values
    }

    /// Makes whole numbers into numbers.
    pub(crate) fn widen(&mut self) {
        if let Values::Integer(v) = &self.values {
            let wide = v.iter().enumerate();
            let wide = wide.map(|(i, &x)| if self.is_missing(i) { f64::NAN } else { x as f64 }).collect();
            self.values = Values::Float(wide);
        }
    }

    /// Removes all values, keeping the memory where the type stays.
    pub(crate) fn clear(&mut self, column_type: ColumnType) {
        if self.column_type() != column_type {
            *self = Self::new(column_type);
        }
        self.missing.clear();
        match &mut self.values {
            Values::Integer(v) => v.clear(),
            Values::Float(v) => v.clear(),
            Values::Float32(v) => v.clear(),
            Values::Bool(v) => v.clear(),
            Values::Text(v) => v.clear(),
        }
    }
}
