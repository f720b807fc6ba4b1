//! Which rows train, which validate and which test.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use pellucid_graph::random::Stream;
use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::table::{Batch, Cell, Column, ColumnType, ReadOptions, Values};

/// What a row is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// The network and all statistics are fitted on it.
    Train,
    /// Training stops early by it.
    Validation,
    /// Neither has seen it.
    Test,
}

impl Part {
    /// All parts.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// Its name in files and options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The part of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.name() == name)
    }
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How rows are divided. Rows that neither validate nor test are training rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "method", deny_unknown_fields)]
pub enum SplitOptions {
    /// By chance.
    Random {
        /// The share of all rows that validates.
        #[serde(default)]
        validation: f64,
        /// The share of all rows that tests.
        test: f64,
        /// The seed.
        #[serde(default)]
        seed: u64,
    },
    /// By chance, each value of a column as often in one part as in the other, to one row.
    Stratified {
        /// The share of all rows that validates.
        #[serde(default)]
        validation: f64,
        /// The share of all rows that tests.
        test: f64,
        /// The seed.
        #[serde(default)]
        seed: u64,
        /// The column; the target's where it is left out.
        #[serde(default)]
        column: Option<String>,
    },
    /// By the values of a column, written as the table has them.
    ByColumn {
        /// The column.
        column: String,
        /// Values of validation rows.
        #[serde(default)]
        validation: Vec<String>,
        /// Values of test rows.
        test: Vec<String>,
    },
}

/// The part of every row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    parts: Vec<Part>,
}

/// What the random draws of a split are for: the first number of their streams' names.
const PURPOSE: u64 = 0x7370_6c69_7400;

impl Split {
    /// Divides a table's rows. `target` is the column that a stratified split takes by default.
    ///
    /// The test part has ⌈rows × share⌉ rows, as scikit-learn's, and so has the validation part. A
    /// stratified split gives each class its exact share rounded by largest remainders.
    pub fn make(table: &Batch, options: &SplitOptions, target: Option<&str>) -> Result<Self> {
        let split = match options {
            SplitOptions::Random { validation, test, seed } => {
                Self::draw(&[(0..table.rows()).collect()], &[String::new()], (*validation, *test), *seed)
            }
            SplitOptions::Stratified { validation, test, seed, column } => {
                let Some(name) = column.as_deref().or(target) else {
                    return Err(ErrorKind::InvalidOption(
                        "a stratified split needs a column to stratify by".to_owned(),
                    )
                    .into());
                };
                let (names, groups) = groups(table.column(name)?);
                Self::draw(&groups, &names, (*validation, *test), *seed).map_err(|e| e.in_column(name))
            }
            SplitOptions::ByColumn { column, validation, test } => {
                Self::by_column(table.column(column)?, validation, test).map_err(|e| e.in_column(column))
            }
        };
        split.map_err(|e| e.in_file(table.schema().source()))
    }

    /// A split of given parts.
    pub fn from_parts(parts: Vec<Part>) -> Self {
        Self { parts }
    }

    fn draw(groups: &[Vec<usize>], names: &[String], shares: (f64, f64), seed: u64) -> Result<Self> {
        let (validation, test) = shares;
        if !(0.0..1.0).contains(&validation) || !(0.0..1.0).contains(&test) || validation + test >= 1.0 {
            let what = format!(
                "shares of {validation} for validation and {test} for test leave nothing to train on"
            );
            return Err(ErrorKind::InvalidOption(what).into());
        }
        let rows: usize = groups.iter().map(Vec::len).sum();
        let sizes = [part_size(rows, test), part_size(rows, validation)];
        let needed = 1 + sizes.iter().filter(|s| **s > 0).count();
        if sizes[0] + sizes[1] >= rows {
            let what = format!("{rows} rows are too few for {needed} parts");
            return Err(ErrorKind::TooFewRows(what).into());
        }
        if groups.len() > 1 {
            if let Some(small) = groups.iter().position(|g| g.len() < needed) {
                let what = format!(
                    "the value {:?} has {} rows, too few for a stratified split into {needed} parts",
                    names[small],
                    groups[small].len()
                );
                return Err(ErrorKind::TooFewRows(what).into());
            }
            let drawn = sizes.iter().filter(|s| **s > 0).min().copied().unwrap_or(usize::MAX);
            if drawn < groups.len() || rows - sizes[0] - sizes[1] < groups.len() {
                let what = format!("a part has fewer rows than there are values ({})", groups.len());
                return Err(ErrorKind::TooFewRows(what).into());
            }
        }
        let mut parts = vec![Part::Train; rows];
        let mut left: Vec<usize> = groups.iter().map(Vec::len).collect();
        let mut taken = vec![0; groups.len()];
        let shuffled: Vec<Vec<usize>> = groups
            .iter()
            .enumerate()
            .map(|(i, group)| {
                let mut group = group.clone();
                Stream::new(seed, [PURPOSE, i as u64, 0]).shuffle(&mut group);
                group
            })
            .collect();
        for (part, size) in [(Part::Test, sizes[0]), (Part::Validation, sizes[1])] {
            for (i, share) in largest_remainders(&left, size).into_iter().enumerate() {
                for &row in &shuffled[i][taken[i]..taken[i] + share] {
                    parts[row] = part;
                }
                taken[i] += share;
                left[i] -= share;
            }
        }
        Ok(Self { parts })
    }

    fn by_column(column: &Column, validation: &[String], test: &[String]) -> Result<Self> {
        let mut of = HashMap::new();
        for (part, values) in [(Part::Validation, validation), (Part::Test, test)] {
            for value in values {
                if of.insert(value.as_str(), (part, 0usize)).is_some() {
                    let what = format!("the value {value:?} is given twice");
                    return Err(ErrorKind::InvalidOption(what).into());
                }
            }
        }
        let mut parts = Vec::with_capacity(column.len());
        for row in 0..column.len() {
            let entry = match column.values() {
                Values::Text(texts) => of.get_mut(texts.get(row)),
                _ => of.get_mut(column.cell(row).to_string().as_str()),
            };
            parts.push(match entry {
                Some((part, rows)) => {
                    *rows += 1;
                    *part
                }
                None => Part::Train,
            });
        }
        let mut unused: Vec<&str> = of.iter().filter(|(_, (_, n))| *n == 0).map(|(v, _)| *v).collect();
        unused.sort_unstable();
        if let Some(value) = unused.first() {
            return Err(ErrorKind::Split(format!("no row has the value {value:?}")).into());
        }
        if !parts.contains(&Part::Train) {
            return Err(ErrorKind::TooFewRows("no row is left to train on".to_owned()).into());
        }
        Ok(Self { parts })
    }

    /// The number of rows.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The part of every row.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The part of a row; `None` beyond the last one.
    pub fn part(&self, row: u64) -> Option<Part> {
        self.parts.get(usize::try_from(row).ok()?).copied()
    }

    /// The rows of a part, in order.
    pub fn rows(&self, part: Part) -> Vec<usize> {
        (0..self.parts.len()).filter(|&r| self.parts[r] == part).collect()
    }

    /// The number of rows of a part.
    pub fn count(&self, part: Part) -> usize {
        self.parts.iter().filter(|p| **p == part).count()
    }

    /// Writes the assignment as CSV: `row`, counted from 0, and `split`. The file is whole or not there.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        let mut text = String::from("row,split\n");
        for (row, part) in self.parts.iter().enumerate() {
            text.push_str(&format!("{row},{part}\n"));
        }
        crate::write::atomically(path.as_ref(), text.as_bytes())
    }

    /// Reads an assignment of `rows` rows, in any order, each exactly once.
    pub fn read(path: impl AsRef<Path>, rows: usize) -> Result<Self> {
        let mut options =
            ReadOptions { columns: Some(vec!["row".into(), "split".into()]), ..Default::default() };
        options.types =
            BTreeMap::from([("row".to_owned(), ColumnType::Integer), ("split".to_owned(), ColumnType::Text)]);
        let batch = crate::table::read(path, &options)?;
        if batch.rows() != rows {
            let what = format!("the assignment has {} rows, the table {rows}", batch.rows());
            return Err(Error::new(ErrorKind::Split(what)).in_file(batch.schema().source()));
        }
        let mut parts = vec![None; rows];
        for i in 0..rows {
            let wrong = |what: String, column| batch.locate(ErrorKind::Split(what).into(), i, column);
            let cell = batch.columns()[0].cell(i);
            let row = match cell {
                Cell::Integer(row) => usize::try_from(row).ok().filter(|r| *r < rows),
                _ => None,
            };
            let row =
                row.ok_or_else(|| wrong(format!("{cell} is no row of a table of {rows} rows"), "row"))?;
            let name = batch.columns()[1].text(i).unwrap_or_default();
            let part = Part::from_name(name)
                .ok_or_else(|| wrong(format!("{name:?} is not train, validation or test"), "split"))?;
            if parts[row].replace(part).is_some() {
                return Err(wrong(format!("row {row} is given twice"), "row"));
            }
        }
        // As many rows as places, none twice: every place is taken.
        Ok(Self { parts: parts.into_iter().flatten().collect() })
    }
}

/// ⌈rows × share⌉, where a product that is whole but for rounding is taken as whole.
fn part_size(rows: usize, share: f64) -> usize {
    let exact = rows as f64 * share;
    let nearest = exact.round();
    if (exact - nearest).abs() < 1e-9 * exact.max(1.0) { nearest as usize } else { exact.ceil() as usize }
}

/// Divides `total` in proportion to `weights`: the whole parts, then one more to the largest remainders,
/// the first of equal ones.
fn largest_remainders(weights: &[usize], total: usize) -> Vec<usize> {
    let sum = weights.iter().sum::<usize>().max(1) as u128;
    let products: Vec<u128> = weights.iter().map(|&w| w as u128 * total as u128).collect();
    let mut shares: Vec<usize> = products.iter().map(|p| (p / sum) as usize).collect();
    let missing = total - shares.iter().sum::<usize>();
    let mut order: Vec<usize> = (0..weights.len()).collect();
    order.sort_by_key(|&i| std::cmp::Reverse(products[i] % sum));
    order.into_iter().take(missing).for_each(|i| shares[i] += 1);
    shares
}

/// The rows of each value of a column, by value in sorted order; missing values are a value.
fn groups(column: &Column) -> (Vec<String>, Vec<Vec<usize>>) {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for row in 0..column.len() {
        match column.text(row) {
            Some(text) => match groups.get_mut(text) {
                Some(rows) => rows.push(row),
                None => {
                    groups.insert(text.to_owned(), vec![row]);
                }
            },
            None => groups.entry(column.cell(row).to_string()).or_default().push(row),
        }
    }
    groups.into_iter().unzip()
}
