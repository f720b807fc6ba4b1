//! Fitted steps from a table's columns to a network's: scale, impute, one-hot; and the way back.
//!
//! # What the steps do, in scikit-learn's terms
//!
//! A numeric column goes through `StandardScaler` (population deviation, missing values left out, a constant
//! column divided by one), then `SimpleImputer`: a missing value becomes the training mean (encoded: zero) or
//! median. With an indicator, a column that had missing values in training gets a further tensor column that
//! is one where the value is missing. A categorical column goes through `OneHotEncoder`: categories sorted,
//! a missing value a category of its own, last, if training had one. Tensor columns stand in the order of
//! `ColumnTransformer([num, cat])`: numeric columns, their indicators, one-hot columns, or in table order.
//! Text and truth values are categorical, numbers numeric, unless [`ColumnOptions`] say otherwise.

mod encode;
mod fit;
mod lineage;
mod units;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(crate) use self::fit::{Counts, Moments};
pub use self::fit::{Fitter, fit};
pub(crate) use self::lineage::compare as compare_cells;
pub use self::lineage::{
    CategoryStatistics, NumericStatistics, Preprocessing, SourceColumn, Step, TensorColumn, TensorColumnKind,
};
pub use self::units::Decoded;

/// How columns become tensor columns.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StepsOptions {
    /// For numeric columns.
    pub numeric: NumericOptions,
    /// For categorical columns.
    pub categorical: CategoricalOptions,
    /// For single columns, by name.
    pub columns: BTreeMap<String, ColumnOptions>,
    /// The order of tensor columns.
    pub order: Order,
    /// Fits on all rows, validation and test rows included. This leaks: statistics of rows that the
    /// network is judged on reach its inputs. It is here to repeat published work that did so.
    pub fit_on_all_rows: bool,
}

/// How numeric columns are encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NumericOptions {
    /// How values are scaled.
    pub scale: Scale,
    /// What a missing value becomes.
    pub missing: NumericMissing,
    /// Whether a column with missing training values gets an indicator.
    pub indicator: bool,
}

/// How numbers are scaled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// To mean 0 and population deviation 1.
    #[default]
    Standard,
    /// To 0 at the training minimum and 1 at the maximum.
    MinMax,
    /// Not at all.
    None,
}

/// What a missing number becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumericMissing {
    /// The training mean.
    #[default]
    Mean,
    /// The training median. Fitting holds the column in memory.
    Median,
    /// An error.
    Refuse,
}

/// How categorical columns are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CategoricalOptions {
    /// What a missing value becomes.
    pub missing: CategoryMissing,
    /// What a category that training did not have becomes.
    pub unknown: Unknown,
    /// The tensor columns of a column with two categories.
    pub two_valued: TwoValued,
    /// The most categories of a column; more are an error.
    pub max_categories: usize,
}

impl Default for CategoricalOptions {
    fn default() -> Self {
        Self {
            missing: CategoryMissing::default(),
            unknown: Unknown::default(),
            two_valued: TwoValued::default(),
            max_categories: 10_000,
        }
    }
}

/// What a missing category becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CategoryMissing {
    /// A category of its own.
    #[default]
    Category,
    /// The most frequent category, the first of them in sorted order.
    MostFrequent,
    /// An error.
    Refuse,
}

/// What a category that training did not have becomes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unknown {
    /// An error.
    #[default]
    Refuse,
    /// Zero in all tensor columns of the column.
    Ignore,
}

/// The tensor columns of a column with two categories.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TwoValued {
    /// One for each category.
    #[default]
    TwoColumns,
    /// One, for the second category in sorted order.
    OneColumn,
}

/// Options of a single column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ColumnOptions {
    /// What the column is; by its type where it is `None`.
    pub role: Option<Role>,
    /// In place of the options of all numeric columns.
    pub numeric: Option<NumericOptions>,
    /// In place of the options of all categorical columns.
    pub categorical: Option<CategoricalOptions>,
}

/// What a column is to the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A quantity.
    Numeric,
    /// One of some categories, which numbers may code.
    Categorical,
}

/// The order of tensor columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Numeric columns, their indicators, one-hot columns.
    #[default]
    NumericFirst,
    /// The columns as the table has them, an indicator behind its column.
    Table,
}

/// `f32` or `f64`: what a network computes in.
pub trait Real: Copy + Default + Send + Sync + private::Sealed + 'static {
    /// The nearest value of this type.
    fn from_f64(value: f64) -> Self;
    /// The value in double precision.
    fn to_f64(self) -> f64;
}

mod private {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

impl Real for f32 {
    fn from_f64(value: f64) -> Self {
        value as f32
    }
    fn to_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn from_f64(value: f64) -> Self {
        value
    }
    fn to_f64(self) -> f64 {
        self
    }
}
