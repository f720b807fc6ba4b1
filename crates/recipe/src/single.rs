//! Rows one by one, with what was predicted and every attribution.

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::result::{Explained, Header, Sink};

/// One explained row for one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Single {
    /// Its number in the data.
    pub row: u64,
    /// The target.
    pub target: String,
    /// The scale of the target.
    pub scale: String,
    /// What the model predicts.
    pub predicted: String,
    /// The probability of the target's class.
    pub probability: Option<f64>,
    /// The truth.
    pub truth: String,
    /// F(x).
    pub output: f64,
    /// F(baseline).
    pub baseline_output: Option<f64>,
    /// The sum of the attributions minus F(x) − F(baseline).
    pub delta: Option<f64>,
    /// The features as they are shown.
    pub features: Vec<Attributed>,
    /// The network's columns; empty where those are shown.
    pub tensor: Vec<Attributed>,
}

/// A feature with its value and attribution.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attributed {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Its attribution.
    pub attribution: f64,
}

/// Keeps the first rows.
#[derive(Clone, Debug, Default)]
pub struct Singles {
    /// The rows.
    pub rows: Vec<Single>,
}

/// More rows than a page shows one by one.
const MOST: usize = 20;

impl Sink for Singles {
    fn take(&mut self, header: &Header, rows: &Explained) -> Result<()> {
        let wide = header.tensor_features.len();
        for row in 0..rows.rows() {
            for target in 0..header.targets.len() {
                if self.rows.len() == MOST {
                    return Ok(());
                }
                let of = |list: &Option<Vec<Vec<f64>>>| list.as_ref().map(|l| l[target][row]);
                let feature = |(i, &attribution): (usize, &f64)| Attributed {
                    name: header.features[i].clone(),
                    value: rows.value(header, row, i).map_or_else(String::new, |c| c.to_string()),
                    attribution,
                };
                let tensor =
                    &rows.tensor_attributions[(row * header.targets.len() + target) * wide..][..wide];
                let column = |(i, &attribution): (usize, &f64)| Attributed {
                    name: header.tensor_features[i].clone(),
                    value: rows.encoded.get(row * wide + i).map_or_else(String::new, |v| format!("{v:.4}")),
                    attribution,
                };
                self.rows.push(Single {
                    row: rows.numbers[row],
                    target: rows.target_name(header, row, target),
                    scale: header.scale.clone(),
                    predicted: rows.predicted(header, row).to_string(),
                    probability: rows.probability(row, target),
                    truth: rows.truth(header, row).to_string(),
                    output: rows.output[target][row],
                    baseline_output: of(&rows.baseline_output),
                    delta: of(&rows.delta),
                    features: rows.of(header, row, target).iter().enumerate().map(feature).collect(),
                    tensor: if header.is_folded() {
                        tensor.iter().enumerate().map(column).collect()
                    } else {
                        Vec::new()
                    },
                });
            }
        }
        Ok(())
    }
}
