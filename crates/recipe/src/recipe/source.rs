//! The text of a recipe: sections that are read on their own, and errors that say where.

use std::ops::Range;
use std::path::Path;

use pellucid_data::select::Selection;
use serde::Deserialize;
use toml::Spanned;

use super::ExplainSection;
use crate::error::{Error, ErrorKind, Result};
use crate::request::Request;
use crate::write::Format;

/// A recipe's text, for errors that say where.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    pub(super) fn error(&self, span: Option<Range<usize>>, message: &str) -> Error {
        let start = span.map_or(0, |s| s.start).min(self.text.len());
        let before = self.text.get(..start).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let message = message.trim().to_owned();
        ErrorKind::Recipe { path: self.path.to_path_buf(), line, column, message }.into()
    }

    /// Where a section begins.
    pub(super) fn section(&self, name: &str) -> Option<Range<usize>> {
        let start = self.text.find(&format!("[{name}]"))?;
        Some(start..start)
    }

    /// An error inside a section: at the key that it names in backquotes, where the section has it.
    fn inside(&self, section: Range<usize>, message: &str) -> Error {
        let key = message.split('`').nth(1).unwrap_or_default();
        let mut place = section.start;
        let lines = self.text.get(section.start..).unwrap_or_default().split_inclusive('\n');
        for (i, line) in lines.enumerate() {
            let text = line.trim_start();
            if i > 0 && text.starts_with('[') {
                break;
            }
            if !key.is_empty() && text.split_once('=').is_some_and(|(name, _)| name.trim() == key) {
                let at = place + line.len() - text.len();
                return self.error(Some(at..at), message);
            }
            place += line.len();
        }
        self.error(Some(section), message)
    }

    /// The whole description of training: the section `train` with the network in it.
    pub(super) fn merged(
        &self,
        span: Range<usize>,
        network: toml::Table,
        fit: Spanned<toml::Table>,
    ) -> Result<toml::Table> {
        let fit_span = fit.span();
        let mut all = fit.into_inner();
        if all.contains_key("network") {
            return Err(self.inside(fit_span, "`network` is described by the section `model`"));
        }
        #[cfg(feature = "train")]
        {
            // Each section is checked on its own, so that an error points into the right one.
            pellucid_train::Network::deserialize(toml::Value::Table(network.clone()))
                .map_err(|e| self.inside(span, e.message()))?;
            all.insert("network".to_owned(), toml::Value::Table(network));
            let recipe = pellucid_train::Recipe::deserialize(toml::Value::Table(all.clone()))
                .map_err(|e| self.inside(fit_span.clone(), e.message()))?;
            recipe.validate().map_err(|e| self.error(Some(fit_span), &e.to_string()))?;
        }
        #[cfg(not(feature = "train"))]
        {
            let _ = span;
            all.insert("network".to_owned(), toml::Value::Table(network));
        }
        Ok(all)
    }

    pub(super) fn explain(&self, section: Spanned<toml::Table>) -> Result<ExplainSection> {
        let span = section.span();
        let mut table = section.into_inner();
        let name = match table.remove("name") {
            Some(toml::Value::String(name)) => name,
            Some(_) => return Err(self.inside(span, "`name` must be a text")),
            None => "explanation".to_owned(),
        };
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(self
                .inside(span, "`name` must consist of letters, digits, - and _: files are named after it"));
        }
        let formats = match table.remove("write") {
            None => vec![Format::Csv],
            Some(value) => {
                let names: Vec<String> = Vec::deserialize(value)
                    .map_err(|_| self.inside(span.clone(), "`write` must be a list of formats"))?;
                let known: Vec<&str> = Format::ALL.iter().map(|f| f.name()).collect();
                let find = |name: &String| {
                    Format::ALL.into_iter().find(|f| f.name() == name).ok_or_else(|| {
                        let message =
                            format!("`write`: there is no format {name:?}; there are {}", known.join(", "));
                        self.inside(span.clone(), &message)
                    })
                };
                names.iter().map(find).collect::<Result<_>>()?
            }
        };
        let request = Request::deserialize(toml::Value::Table(table))
            .map_err(|e| self.inside(span.clone(), e.message()))?;
        request.method().map_err(|e| self.inside(span.clone(), &format!("`method`: {e}")))?;
        Selection::parse(&request.rows).map_err(|e| self.inside(span, &format!("`rows`: {e}")))?;
        Ok(ExplainSection { name, formats, request })
    }
}
