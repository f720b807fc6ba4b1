//! A selection applied to the rows of a table.

use std::ops::Range;

use super::parse::{Comparison, Expression, Literal, Name, Selection, error};
use crate::error::{Error, ErrorKind, Result};
use crate::split::Split;
use crate::table::{Batch, ColumnType, Schema, Values};

/// A selection that knows a table's columns and its split.
#[derive(Clone, Debug)]
pub struct Filter {
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    All,
    /// Sorted row ranges that do not meet.
    Rows(Vec<Range<u64>>),
    Number {
        column: usize,
        comparison: Comparison,
        value: f64,
    },
    Text {
        column: usize,
        comparison: Comparison,
        value: String,
    },
    Bool {
        column: usize,
        equal: bool,
        value: bool,
    },
    Missing(usize),
    Not(Box<Test>),
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
}

impl Selection {
    /// Looks up the columns and the parts of the split that the selection names.
    pub fn bind(&self, schema: &Schema, split: Option<&Split>) -> Result<Filter> {
        Ok(Filter { test: Binder { text: self.text(), schema, split }.bind(&self.expression)? })
    }

    /// The rows of a whole table that are selected; an error where there are none.
    pub fn rows(&self, table: &Batch, split: Option<&Split>) -> Result<Vec<usize>> {
        let mut rows = Vec::new();
        self.bind(table.schema(), split)?.select(table, &mut rows);
        if rows.is_empty() {
            return Err(error(self.text(), 0, format!("none of the {} rows is selected", table.rows())));
        }
        Ok(rows)
    }
}

struct Binder<'a> {
    text: &'a str,
    schema: &'a Schema,
    split: Option<&'a Split>,
}

impl Binder<'_> {
    fn bind(&self, expression: &Expression) -> Result<Test> {
        Ok(match expression {
            Expression::All => Test::All,
            Expression::Rows(ranges) => Test::Rows(merged(ranges.clone())),
            Expression::Part { part, rows, position } => {
                let Some(split) = self.split else {
                    return Err(error(self.text, *position, "there is no split to take rows from"));
                };
                let all = split.rows(*part);
                let picked = match rows {
                    None => all.iter().map(|&r| r as u64..r as u64 + 1).collect(),
                    Some(ranges) => {
                        let mut picked = Vec::new();
                        for range in merged(ranges.clone()) {
                            if range.end > all.len() as u64 {
                                let message = format!("{part} has {} rows, counted from 0", all.len());
                                return Err(error(self.text, *position, message));
                            }
                            picked.extend(range.map(|i| all[i as usize] as u64..all[i as usize] as u64 + 1));
                        }
                        picked
                    }
                };
                Test::Rows(merged(picked))
            }
            Expression::Compare { column, comparison, value } => self.compare(column, *comparison, value)?,
            Expression::In { column, values } => {
                let mut tests = values.iter().map(|v| self.compare(column, Comparison::Equal, v));
                // The parser gives at least one value.
                let first = tests.next().unwrap_or(Ok(Test::Rows(Vec::new())))?;
                tests.try_fold(first, |all, test| Ok::<_, Error>(Test::Or(Box::new(all), Box::new(test?))))?
            }
            Expression::Missing(column) => Test::Missing(self.column(column)?.0),
            Expression::Not(inner) => Test::Not(Box::new(self.bind(inner)?)),
            Expression::And(a, b) => Test::And(Box::new(self.bind(a)?), Box::new(self.bind(b)?)),
            Expression::Or(a, b) => Test::Or(Box::new(self.bind(a)?), Box::new(self.bind(b)?)),
        })
    }

    fn column(&self, name: &Name) -> Result<(usize, ColumnType)> {
        let column = self.schema.index(&name.name).map_err(|e| match e.kind() {
            ErrorKind::MissingColumn { .. } => error(self.text, name.position, e.kind().to_string()),
            _ => e,
        })?;
        Ok((column, self.schema.fields()[column].column_type))
    }

    fn compare(&self, name: &Name, comparison: Comparison, value: &Literal) -> Result<Test> {
        let (column, column_type) = self.column(name)?;
        let (position, given) = match value {
            Literal::Number(_, p) => (*p, "a number"),
            Literal::Text(_, p) => (*p, "text"),
            Literal::Bool(_, p) => (*p, "true or false"),
        };
        match value {
            Literal::Number(value, _) if column_type.is_number() => {
                Ok(Test::Number { column, comparison, value: *value })
            }
            Literal::Text(value, _) if column_type == ColumnType::Text => {
                Ok(Test::Text { column, comparison, value: value.clone() })
            }
            Literal::Bool(value, _) if column_type == ColumnType::Bool => match comparison {
                Comparison::Equal => Ok(Test::Bool { column, equal: true, value: *value }),
                Comparison::NotEqual => Ok(Test::Bool { column, equal: false, value: *value }),
                _ => Err(error(self.text, position, "true and false have no order")),
            },
            _ => {
                let message = format!("{:?} holds {column_type}, this is {given}", name.name);
                Err(error(self.text, position, message))
            }
        }
    }
}

/// Ranges sorted and joined where they meet.
fn merged(mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
    ranges.sort_by_key(|r| r.start);
    let mut all: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        match all.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => all.push(range),
        }
    }
    all
}

impl Filter {
    /// Appends the selected rows of a batch, by their place in it.
    pub fn select(&self, batch: &Batch, rows: &mut Vec<usize>) {
        rows.extend((0..batch.rows()).filter(|&r| self.test.holds(batch, r)));
    }

    /// The number of rows from the start of the table behind which nothing is selected, where that is
    /// known: reading may stop there.
    pub fn end(&self) -> Option<u64> {
        self.test.end()
    }
}

impl Test {
    fn end(&self) -> Option<u64> {
        match self {
            Self::Rows(ranges) => Some(ranges.last().map_or(0, |r| r.end)),
            Self::And(a, b) => match (a.end(), b.end()) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            },
            Self::Or(a, b) => Some(a.end()?.max(b.end()?)),
            _ => None,
        }
    }

    fn holds(&self, batch: &Batch, row: usize) -> bool {
        match self {
            Self::All => true,
            Self::Rows(ranges) => {
                let row = batch.first_row() + row as u64;
                let after = ranges.partition_point(|r| r.start <= row);
                after > 0 && row < ranges[after - 1].end
            }
            Self::Number { column, comparison, value } => {
                batch.columns()[*column].number(row).is_some_and(|x| comparison.holds(x.partial_cmp(value)))
            }
            Self::Text { column, comparison, value } => {
                batch.columns()[*column].text(row).is_some_and(|t| comparison.holds(Some(t.cmp(value))))
            }
            Self::Bool { column, equal, value } => {
                let column = &batch.columns()[*column];
                match column.values() {
                    Values::Bool(v) if !column.is_missing(row) => (v[row] == *value) == *equal,
                    _ => false,
                }
            }
            Self::Missing(column) => batch.columns()[*column].is_missing(row),
            Self::Not(inner) => !inner.holds(batch, row),
            Self::And(a, b) => a.holds(batch, row) && b.holds(batch, row),
            Self::Or(a, b) => a.holds(batch, row) || b.holds(batch, row),
        }
    }
}

impl Comparison {
    fn holds(self, order: Option<std::cmp::Ordering>) -> bool {
        order.is_some_and(|order| match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        })
    }
}
