//! Models with an input for each column of a table, such as scikit-learn pipelines as skl2onnx exports them: columns are found by the inputs'
//! names and read as the inputs' types.

use pellucid::graph::{DType, Dim, Tensor};
use pellucid_data::ErrorKind;
use pellucid_data::table::{Batch, Column, ColumnType, ReadOptions, Schema, Values};

use crate::error::{Error, Result};
use crate::model::OpenModel;

/// A column for each input.
#[derive(Debug)]
pub(super) struct InputColumns(Vec<InputColumn>);

#[derive(Debug)]
struct InputColumn {
    name: String,
    dtype: DType,
    /// How many dimensions the input has: one, or a second one of size one.
    rank: usize,
}

impl InputColumns {
    /// Those of a model without a record of its table that has several inputs, or one of texts, each with one element for each row.
    pub(super) fn of(model: &OpenModel) -> Option<Self> {
        if model.preprocessing().is_some() {
            return None;
        }
        let model = model.model();
        let names = model.input_names();
        let columns = names.iter().enumerate().map(|(i, name)| {
            let declared = model.input_declared(i)?;
            let rank = match declared.shape.as_deref()? {
                [_] => 1,
                [_, Dim::Fixed(1)] => 2,
                _ => return None,
            };
            Some(InputColumn { name: (*name).to_owned(), dtype: declared.dtype, rank })
        });
        let columns: Vec<InputColumn> = columns.collect::<Option<_>>()?;
        let fits = columns.len() > 1 || columns.iter().any(|c| c.dtype == DType::String);
        fits.then_some(Self(columns))
    }

    /// Their names.
    pub(super) fn names(&self) -> Vec<String> {
        self.0.iter().map(|c| c.name.clone()).collect()
    }

    /// How they are read from a table whose columns look as a schema says: truth values may be given for numbers, and 0 and 1 for truth values.
    pub(super) fn read_options(&self, looks: &Schema) -> ReadOptions {
        let mut base = ReadOptions { columns: Some(self.names()), ..ReadOptions::default() };
        for column in &self.0 {
            let field = looks.fields().iter().find(|f| f.name == column.name);
            let column_type = match (column.dtype, field.map(|f| f.column_type)) {
                (DType::String, _) => ColumnType::Text,
                (DType::Bool, Some(ColumnType::Integer | ColumnType::Float)) => ColumnType::Float,
                (DType::Bool, _) | (_, Some(ColumnType::Bool)) => ColumnType::Bool,
                _ => ColumnType::Float,
            };
            base.types.insert(column.name.clone(), column_type);
        }
        base
    }

    /// The inputs for all rows of a batch. A missing number is NaN, a missing text is empty.
    pub(super) fn inputs(&self, batch: &Batch) -> Result<Vec<Tensor>> {
        let one = |input: &InputColumn| {
            let column = batch.column(&input.name)?;
            let mut shape = vec![batch.rows()];
            shape.resize(input.rank, 1);
            let tensor = input.tensor(column, &shape);
            let tensor = tensor.map_err(|(row, kind)| batch.locate(kind.into(), row, &input.name))?;
            tensor.ok_or_else(|| Error::input(format!("column {:?} does not fill its input", input.name)))
        };
        self.0.iter().map(one).collect()
    }
}

impl InputColumn {
    fn tensor(&self, column: &Column, shape: &[usize]) -> Result<Option<Tensor>, (usize, ErrorKind)> {
        let rows = 0..shape[0];
        let missing = |row: usize, expected: ColumnType| {
            (row, ErrorKind::ColumnType { expected, found: "no value".to_owned(), hint: "" })
        };
        let wrong = |row: usize, expected: ColumnType| {
            let found = format!("{} ({})", column.cell(row), column.column_type());
            (row, ErrorKind::ColumnType { expected, found, hint: "" })
        };
        Ok(match self.dtype {
            DType::String => {
                let text = |row: usize| match column.values() {
                    _ if column.is_missing(row) => Ok(String::new()),
                    Values::Text(v) => Ok(v.get(row).to_owned()),
                    _ => Err(wrong(row, ColumnType::Text)),
                };
                Tensor::new(shape, rows.map(text).collect::<Result<Vec<String>, _>>()?)
            }
            DType::Bool => {
                let truth = |row: usize| match column.values() {
                    _ if column.is_missing(row) => Err(missing(row, ColumnType::Bool)),
                    Values::Bool(v) => Ok(v[row]),
                    _ => match column.number(row) {
                        Some(0.0) => Ok(false),
                        Some(1.0) => Ok(true),
                        _ => Err(wrong(row, ColumnType::Bool)),
                    },
                };
                Tensor::new(shape, rows.map(truth).collect::<Result<Vec<bool>, _>>()?)
            }
            dtype => {
                let number = |row: usize| match (column.values(), column.number(row)) {
                    (Values::Text(_), _) if !column.is_missing(row) => Err(wrong(row, ColumnType::Float)),
                    (Values::Bool(v), _) if !column.is_missing(row) => Ok(f64::from(u8::from(v[row]))),
                    (_, Some(x)) => Ok(x),
                    (_, None) => Ok(f64::NAN),
                };
                let numbers = rows.map(number).collect::<Result<Vec<f64>, _>>()?;
                if dtype.is_float() {
                    return Ok(Tensor::new(shape, numbers));
                }
                let whole = |(row, x): (usize, &f64)| match *x {
                    x if x.is_nan() => Err(missing(row, ColumnType::Integer)),
                    x if x.fract() == 0.0 && x.abs() < 9.0e15 => Ok(x as i64),
                    _ => Err(wrong(row, ColumnType::Integer)),
                };
                let whole = numbers.iter().enumerate().map(whole).collect::<Result<Vec<i64>, _>>()?;
                Tensor::new(shape, whole)
            }
        })
    }
}
