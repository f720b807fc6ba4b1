//! A table from keys to values, for LabelEncoder and CategoryMapper. A key that stands there twice has the last of its values; NaN is a key
//! like any other.

use std::collections::HashMap;

use super::support::{fact, no_type, view};
use crate::error::{OpError, OpResult};
use crate::graph::Fact;
use crate::operator::Arg;
use crate::refuse;
use crate::tensor::{Buffer, DType, Slice, SliceMut, Tensor, View, ViewMut};

/// Where the value of each key stands.
#[derive(Clone, Debug)]
enum Keys {
    Texts(HashMap<String, usize>),
    Integers(HashMap<i64, usize>),
    Floats(HashMap<u64, usize>),
}

/// A table from keys to values of one type each, with a value for what is not a key.
#[derive(Clone, Debug)]
pub(crate) struct Mapping {
    keys: Keys,
    /// The values, and behind them the one for what is not a key.
    values: Tensor,
}

/// A number as a key: all NaN are one, and the two zeros are.
fn key(v: f64) -> u64 {
    if v.is_nan() { f64::NAN.to_bits() } else { (v + 0.0).to_bits() }
}

impl Mapping {
    /// A table of lists of the same length, and a value for what is not a key.
    pub(crate) fn new(keys: &Tensor, values: &Tensor, default: &Tensor) -> OpResult<Self> {
        if keys.len() != values.len() {
            refuse!("it has {} keys and {} values", keys.len(), values.len());
        }
        let found = match keys.data() {
            Buffer::String(v) => Keys::Texts(v.iter().cloned().zip(0..).collect()),
            Buffer::F32(v) => Keys::Floats(v.iter().map(|&v| key(f64::from(v))).zip(0..).collect()),
            Buffer::F64(v) => Keys::Floats(v.iter().map(|&v| key(v)).zip(0..).collect()),
            _ => match keys.to_i64() {
                Some(v) if keys.dtype() != DType::Bool => Keys::Integers(v.into_iter().zip(0..).collect()),
                _ => return no_type(keys.dtype()),
            },
        };
        macro_rules! join {
            ($($variant:ident),*) => {
                match (values.data(), default.data()) {
                    $((Buffer::$variant(v), Buffer::$variant(d)) if d.len() == 1 => {
                        Tensor::vector([v.as_slice(), d.as_slice()].concat())
                    })*
                    _ => refuse!(
                        "its values are of type {}, its default is {} of {}",
                        values.dtype(), default.len(), default.dtype()
                    ),
                }
            };
        }
        Ok(Self { keys: found, values: join!(String, I64, I32, I16, F32, F64) })
    }

    /// The type of the values.
    pub(crate) fn dtype(&self) -> DType {
        self.values.dtype()
    }

    /// Whether keys or values are floats, so that the precision matters.
    pub(crate) fn has_floats(&self) -> bool {
        self.dtype().is_float() || matches!(self.keys, Keys::Floats(_))
    }

    /// The same with float values of a type, and float keys rounded to it, as the numbers that are looked up are.
    pub(crate) fn with_precision(&self, precision: DType) -> Self {
        let keys = match &self.keys {
            Keys::Floats(map) if precision == DType::F32 => Keys::Floats(
                map.iter().map(|(&k, &i)| (key(f64::from(f64::from_bits(k) as f32)), i)).collect(),
            ),
            other => other.clone(),
        };
        Self { keys, values: self.values.with_precision(precision) }
    }

    /// Refuses a type of what is looked up that the keys are not of.
    pub(crate) fn expect(&self, dtype: DType) -> OpResult<()> {
        let fits = match self.keys {
            Keys::Texts(_) => dtype == DType::String,
            Keys::Integers(_) => matches!(dtype, DType::I64 | DType::I32 | DType::I16),
            Keys::Floats(_) => dtype.is_float(),
        };
        if !fits {
            refuse!("its input is of type {dtype}, which its keys are not");
        }
        Ok(())
    }

    /// The values of the first input's elements, as the first output.
    pub(crate) fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        let x = view(inputs, 0)?;
        let rest = self.values.len() - 1;
        let place = |found: Option<&usize>| found.copied().unwrap_or(rest);
        let places: Vec<usize> = match (x.data, &self.keys) {
            (Slice::String(v), Keys::Texts(map)) => v.iter().map(|v| place(map.get(v))).collect(),
            (Slice::F32(v), Keys::Floats(map)) => {
                v.iter().map(|&v| place(map.get(&key(f64::from(v))))).collect()
            }
            (Slice::F64(v), Keys::Floats(map)) => v.iter().map(|&v| place(map.get(&key(v)))).collect(),
            (Slice::I64(v), Keys::Integers(map)) => v.iter().map(|v| place(map.get(v))).collect(),
            (Slice::I32(v), Keys::Integers(map)) => {
                v.iter().map(|&v| place(map.get(&i64::from(v)))).collect()
            }
            (Slice::I16(v), Keys::Integers(map)) => {
                v.iter().map(|&v| place(map.get(&i64::from(v)))).collect()
            }
            (other, _) => return no_type(other.dtype()),
        };
        let output = outputs.first_mut().ok_or_else(|| OpError("output 0 is missing".to_owned()))?;
        macro_rules! fill {
            ($($variant:ident),*) => {
                match (self.values.data(), &mut output.data) {
                    $((Buffer::$variant(v), SliceMut::$variant(o)) => {
                        o.iter_mut().zip(places).for_each(|(o, i)| o.clone_from(&v[i]));
                    })*
                    (_, other) => return no_type(other.dtype()),
                }
            };
        }
        fill!(String, I64, I32, I16, F32, F64);
        Ok(())
    }
}

/// One table; or one from texts to numbers and one back, of which the input's type says which.
#[derive(Clone, Debug)]
pub(crate) enum Tables {
    One(Mapping),
    Both { of_texts: Mapping, of_numbers: Mapping },
}

impl Tables {
    /// The tables from texts to numbers and back, with the text and the number for what is not there.
    pub(crate) fn both(texts: &Tensor, numbers: &Tensor, rest: (&Tensor, &Tensor)) -> OpResult<Self> {
        let of_texts = Mapping::new(texts, numbers, rest.1)?;
        Ok(Self::Both { of_texts, of_numbers: Mapping::new(numbers, texts, rest.0)? })
    }

    fn of(&self, input: DType) -> &Mapping {
        match self {
            Self::One(mapping) => mapping,
            Self::Both { of_texts, .. } if input == DType::String => of_texts,
            Self::Both { of_numbers, .. } => of_numbers,
        }
    }

    /// The output's type and shape.
    pub(crate) fn infer(&self, inputs: &[Option<Arg<'_>>]) -> OpResult<Vec<Fact>> {
        let x = fact(inputs, 0)?;
        let mapping = self.of(x.dtype);
        mapping.expect(x.dtype)?;
        Ok(vec![Fact::new(mapping.dtype(), &x.shape)])
    }

    /// The values of the first input's elements, as the first output.
    pub(crate) fn run(&self, inputs: &[Option<View<'_>>], outputs: &mut [ViewMut<'_>]) -> OpResult<()> {
        self.of(view(inputs, 0)?.data.dtype()).run(inputs, outputs)
    }

    /// The same in a precision; `None` where there are no floats.
    pub(crate) fn with_precision(&self, precision: DType) -> Option<Self> {
        match self {
            Self::One(mapping) if mapping.has_floats() => Some(Self::One(mapping.with_precision(precision))),
            _ => None,
        }
    }
}

/// The functions of an operator with the fields `attributes` and `tables`.
macro_rules! through_tables {
    () => {
        fn attributes(&self) -> crate::attributes::Attributes {
            self.attributes.clone()
        }

        fn infer(
            &self,
            inputs: &[Option<crate::operator::Arg<'_>>],
        ) -> crate::error::OpResult<Vec<crate::graph::Fact>> {
            self.tables.infer(inputs)
        }

        fn kind(&self, _active: &[bool]) -> crate::operator::Kind {
            crate::operator::Kind::Constant
        }

        fn rows(
            &self,
            site: &crate::rows::RowsSite<'_>,
        ) -> crate::error::OpResult<Vec<Option<crate::rows::Rows>>> {
            crate::rows::elementwise(site)
        }

        fn run(
            &self,
            inputs: &[Option<crate::tensor::View<'_>>],
            outputs: &mut [crate::tensor::ViewMut<'_>],
        ) -> crate::error::OpResult<()> {
            self.tables.run(inputs, outputs)
        }
    };
}

pub(crate) use through_tables;
