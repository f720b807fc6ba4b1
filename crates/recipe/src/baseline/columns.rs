//! Baselines of models with an input for each column of a table.

use std::collections::BTreeMap;

use pellucid::graph::DType;
use pellucid::{InputBaseline, InputSpec};
use pellucid_data::table::Cell;

use super::{BaselineRequest, Maker, Resolved, number};
use crate::error::Result;

impl Maker<'_> {
    /// The baseline of a model with an input for each column, where it is one row of values; `None` for other models and baselines.
    pub(super) fn of_columns(&self) -> Result<Option<Resolved>> {
        if !crate::rows::has_columns(self.model) {
            return Ok(None);
        }
        let model = self.model.model();
        let names = model.input_names();
        let mut inputs = BTreeMap::new();
        match self.request {
            BaselineRequest::Values(values) => {
                if let Some(name) = values.keys().find(|n| !names.contains(&n.as_str())) {
                    let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
                    let names = crate::rows::listed(&names);
                    return Err(self.wrong(format!("the model has no input {name:?}; it has {names}")));
                }
                for (i, &name) in names.iter().enumerate() {
                    let is_text = model.input_declared(i).is_some_and(|d| d.dtype == DType::String);
                    let baseline = match values.get(name) {
                        None => {
                            inputs.insert(name.to_owned(), InputSpec::fixed());
                            continue;
                        }
                        Some(Cell::Missing) if is_text => InputBaseline::Text(String::new()),
                        Some(value) if is_text => InputBaseline::Text(value.to_string()),
                        Some(value) => InputBaseline::Scalar(
                            number(value)
                                .ok_or_else(|| self.wrong(format!("{name}: {value} is no number")))?,
                        ),
                    };
                    inputs.insert(name.to_owned(), InputSpec::default().against(baseline));
                }
            }
            BaselineRequest::Row(row) => {
                let mut reader = self.open(self.data, &row.to_string())?;
                let chunk = reader.next_chunk()?.ok_or_else(|| self.wrong("there is no such row"))?;
                for (&name, tensor) in names.iter().zip(&chunk.inputs) {
                    let baseline = match (tensor.as_slice::<String>(), tensor.to_f64().as_deref()) {
                        (Some([text]), _) => InputBaseline::Text(text.clone()),
                        (_, Some(&[x])) if x.is_finite() => InputBaseline::Scalar(x),
                        _ => return Err(self.wrong(format!("row {row} has no value in the column {name:?}"))),
                    };
                    inputs.insert(name.to_owned(), InputSpec::default().against(baseline));
                }
            }
            _ => return Ok(None),
        }
        let words = |(name, input): (&String, &InputSpec)| match input.baseline.as_ref()? {
            InputBaseline::Text(text) => Some((name.clone(), text.clone())),
            InputBaseline::Scalar(x) => Some((name.clone(), x.to_string())),
            _ => None,
        };
        let raw = inputs.iter().filter_map(words).collect();
        Ok(Some(Resolved { raw: Some(raw), inputs, ..Resolved::default() }))
    }
}
