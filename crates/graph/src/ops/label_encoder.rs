//! LabelEncoder: for each element, the value that a table has for it.

use std::sync::Arc;

use super::mapping::{Mapping, Tables, through_tables};
use super::ml::DOMAIN;
use crate::attributes::{Attribute, Attributes};
use crate::error::OpResult;
use crate::import::Import;
use crate::operator::{Definition, Operator};
use crate::refuse;
use crate::tensor::{DType, Tensor};

/// LabelEncoder's entry in the table.
pub static DEFINITION: Definition = Definition {
    name: "LabelEncoder",
    domain: DOMAIN,
    since: 1,
    summary: "for each element, the value that a table has for it",
    derivative: "0 everywhere",
    import: |node| {
        node.expect_inputs(1, 1)?;
        Ok(Arc::new(LabelEncoder { attributes: node.attributes.clone(), tables: tables(node)? }))
    },
    #[cfg(test)]
    cases: tests::cases,
};

/// The table as operator set 1 gives it, texts by their places, or as later ones do, lists of keys and values.
fn tables(node: &Import<'_>) -> OpResult<Tables> {
    if let Some(classes) = node.texts("classes_strings")? {
        let places: Vec<i64> = (0..classes.len() as i64).collect();
        let (texts, places) = (Tensor::vector(classes), Tensor::vector(places));
        let text = node.text("default_string")?.unwrap_or_else(|| "_Unused".to_owned());
        let place = node.int("default_int64")?.unwrap_or(-1);
        return Tables::both(&texts, &places, (&Tensor::scalar(text), &Tensor::scalar(place)));
    }
    let (Some(keys), Some(values)) = (list(node, "keys")?, list(node, "values")?) else {
        refuse!("it needs keys and values");
    };
    Ok(Tables::One(Mapping::new(&keys, &values, &default(node, values.dtype())?)?))
}

/// The list of keys or values, which stands under the name of its type.
fn list(node: &Import<'_>, what: &str) -> OpResult<Option<Tensor>> {
    let name = |suffix: &str| format!("{what}_{suffix}");
    let found = [
        node.texts(&name("strings"))?.map(Tensor::vector),
        node.ints(&name("int64s"))?.map(Tensor::vector),
        node.floats(&name("floats"))?.map(Tensor::vector),
        node.tensor(&name("tensor"))?,
    ];
    let mut found = found.into_iter().flatten().filter(|t| !t.is_empty());
    match (found.next(), found.next()) {
        (Some(_), Some(_)) => refuse!("it has {what} of two types"),
        (one, _) => Ok(one),
    }
}

fn default(node: &Import<'_>, dtype: DType) -> OpResult<Tensor> {
    if let Some(tensor) = node.tensor("default_tensor")? {
        return Ok(tensor);
    }
    Ok(match dtype {
        DType::String => {
            Tensor::scalar(node.text("default_string")?.unwrap_or_else(|| "_Unused".to_owned()))
        }
        DType::F32 => Tensor::scalar(node.float("default_float")?.unwrap_or(-0.0)),
        DType::F64 => Tensor::scalar(f64::from(node.float("default_float")?.unwrap_or(-0.0))),
        DType::I32 => Tensor::scalar(-1i32),
        DType::I16 => Tensor::scalar(-1i16),
        _ => Tensor::scalar(node.int("default_int64")?.unwrap_or(-1)),
    })
}

/// For each element, the value that a table has for it.
#[derive(Clone, Debug)]
pub struct LabelEncoder {
    attributes: Attributes,
    tables: Tables,
}

impl LabelEncoder {
    fn of(attributes: Attributes, keys: &Tensor, values: &[i64], default: i64) -> OpResult<Self> {
        let attributes = attributes
            .with("values_int64s", Attribute::Ints(values.to_vec()))
            .with("default_int64", Attribute::Int(default));
        let mapping = Mapping::new(keys, &Tensor::vector(values.to_vec()), &Tensor::scalar(default))?;
        Ok(Self { attributes, tables: Tables::One(mapping) })
    }

    /// The numbers of some texts, and that of all others.
    pub fn of_texts(keys: &[String], values: &[i64], default: i64) -> OpResult<Self> {
        let attributes = Attributes::new().with("keys_strings", Attribute::Texts(keys.to_vec()));
        Self::of(attributes, &Tensor::vector(keys.to_vec()), values, default)
    }

    /// The numbers of some floats, and that of all others; NaN may be one of them.
    pub fn of_floats(keys: &[f32], values: &[i64], default: i64) -> OpResult<Self> {
        let attributes = Attributes::new().with("keys_floats", Attribute::Floats(keys.to_vec()));
        Self::of(attributes, &Tensor::vector(keys.to_vec()), values, default)
    }
}

impl Operator for LabelEncoder {
    fn definition(&self) -> &'static Definition {
        &DEFINITION
    }

    through_tables!();

    fn with_precision(&self, precision: DType) -> Option<Arc<dyn Operator>> {
        let tables = self.tables.with_precision(precision)?;
        Some(Arc::new(Self { attributes: self.attributes.clone(), tables }))
    }
}

#[cfg(test)]
mod tests {
    use crate::attributes::{Attribute as A, Attributes};
    use crate::cases::{Case, f64s, i64s, strings};
    use crate::tensor::{DType, Tensor};

    pub(super) fn cases() -> Vec<Case> {
        let of = |opset: i64, list: &[(&str, A)], x: Tensor| {
            let attributes = list.iter().fold(Attributes::new(), |all, (name, a)| all.with(name, a.clone()));
            Case::imported("LabelEncoder", opset, &attributes, vec![x]).in_precision(DType::F64)
        };
        let texts = |list: &[&str]| A::Texts(list.iter().map(|&s| s.to_owned()).collect());
        let words = || strings(&[4], &["b", "a", "c", "b"]);
        vec![
            of(1, &[("classes_strings", texts(&["a", "b"]))], words()).expect(i64s(&[1, 0, -1, 1])),
            of(1, &[("classes_strings", texts(&["a", "b"]))], i64s(&[1, 5]))
                .expect(strings(&[2], &["b", "_Unused"])),
            of(
                2,
                &[
                    ("keys_strings", texts(&["a", "b", "a"])),
                    ("values_floats", A::Floats(vec![0.5, 1.5, 2.5])),
                    ("default_float", A::Float(-1.0)),
                ],
                words(),
            )
            .expect(f64s(&[4], &[1.5, 2.5, -1.0, 1.5])),
            of(
                2,
                &[("keys_floats", A::Floats(vec![0.0, f32::NAN])), ("values_strings", texts(&["zero", "gone"]))],
                f64s(&[1, 3], &[-0.0, f64::NAN, 0.5]),
            )
            .expect(strings(&[1, 3], &["zero", "gone", "_Unused"]))
            .fixed(&[0]),
            of(
                4,
                &[
                    ("keys_tensor", A::Tensor(i64s(&[3, 4]))),
                    ("values_tensor", A::Tensor(Tensor::vector(vec![30i16, 40]))),
                    ("default_tensor", A::Tensor(Tensor::vector(vec![7i16]))),
                ],
                i64s(&[4, 3, 2]),
            )
            .expect(Tensor::vector(vec![40i16, 30, 7])),
        ]
    }
}
