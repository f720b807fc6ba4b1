//! `pellucid explain`: rows of a table, explained.

use std::sync::Mutex;
use std::time::Duration;

use pellucid_recipe::explain::explain as run;
use pellucid_recipe::global::{self, Global, Summary};
use pellucid_recipe::pellucid::Role;
use pellucid_recipe::pellucid::engine::Profile;
use pellucid_recipe::record::Record;
use pellucid_recipe::request::Targets;
use pellucid_recipe::result::{Explained, Header, Sink};
use pellucid_recipe::texts;
use pellucid_recipe::write::{
    Destination, Format, ResultWriter, check_place, record_path, write_bytes, write_text,
};
use pellucid_recipe::{OpenModel, Request, Result};
use pellucid_report::{
    Align, Table, format_count, format_number, format_percent, format_signed, format_significant,
};

use super::{usage, with_activity};
use crate::arguments::{Explain, OutputFormat};
use crate::screen::{Style, print};

/// The most rows that are shown one by one, and the most features of each.
const ROWS_SHOWN: usize = 5;
const FEATURES_SHOWN: usize = 12;
const GLOBAL_SHOWN: usize = 25;

pub(super) fn explain(options: Explain, quiet: bool) -> Result<()> {
    #[cfg(feature = "images")]
    if super::images::is_asked(&options)? {
        return super::images::explain(&options, quiet);
    }
    let request = request(&options)?;
    request.method()?;
    if texts::is_lines(&options.data) {
        return explain_lines(&options, &request, quiet);
    }
    let profile = options.output.profile.then(|| Mutex::new(Profile::default()));
    let goal = goal(&options)?;
    let model = OpenModel::load(&options.model)?;
    let mut rows = match &goal {
        Goal::Rows(format, destination) => Some(ResultWriter::new(*format, destination.open())),
        Goal::Show | Goal::Global(..) => None,
    };
    let mut preview = Preview::default();
    let mut summary = Summary::default();
    let record = with_activity(options.how.threads, quiet, profile.as_ref(), |activity| {
        let mut sinks: Vec<&mut dyn Sink> = Vec::new();
        match (&mut rows, &goal) {
            (Some(writer), _) => sinks.push(writer),
            (None, Goal::Show) => sinks.extend([&mut preview as &mut dyn Sink, &mut summary]),
            (None, _) => sinks.push(&mut summary),
        }
        run(&model, &options.data, &request, &mut All(sinks), activity)
    })?;
    // What fails its check is still written, so that it can be looked at.
    match goal {
        Goal::Rows(..) => {
            if let Some(writer) = rows {
                writer.finish(&record)?;
            }
        }
        Goal::Show => {
            let few = !options.output.global && record.rows <= ROWS_SHOWN as u64;
            let text = if few { preview.text } else { global_text(&summary.shown, options.output.global) };
            print(&format!("{}\n{text}", heading(&record)))?;
        }
        Goal::Global(format, destination) => write_global(format, &destination, &summary.shown, &record)?,
    }
    if let Some(profile) = profile {
        print_profile(&profile.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner));
    }
    record.verify()
}

/// Rows of different length go out as they come in.
fn explain_lines(options: &Explain, request: &Request, quiet: bool) -> Result<()> {
    let file = options.output.output.as_ref().filter(|p| p.as_os_str() != "-");
    let format = match (options.output.format, file) {
        (None, Some(path)) => Format::of_path(path)?,
        (None | Some(OutputFormat::Jsonl), _) => Format::JsonLines,
        _ => Format::Csv,
    };
    if let Some(path) = file {
        check_place(path)?;
    }
    if format != Format::JsonLines || options.output.global {
        return Err(usage("rows of different length are written as jsonl, one object a row"));
    }
    let model = OpenModel::load(&options.model)?;
    let mut out = Vec::new();
    let record = with_activity(options.how.threads, quiet, None, |activity| {
        let record = texts::explain(&model, &options.data, request, &mut out, activity)?;
        if let Some(parts) = record.parts() {
            activity.listener.notice(&parts);
        }
        Ok(record)
    })?;
    match file {
        Some(path) => {
            write_bytes(path, &out)?;
            write_text(&record_path(path), &record.to_json())?;
        }
        None => print(&String::from_utf8_lossy(&out))?,
    }
    record.verify()
}

/// What is done with the rows.
pub(super) enum Goal {
    Show,
    Rows(Format, Place),
    Global(pellucid_recipe::data::write::TableFormat, Place),
}

/// Where data goes.
pub(super) enum Place {
    StandardOutput,
    File(std::path::PathBuf),
}

impl Place {
    pub(super) fn open(&self) -> Destination {
        match self {
            Self::StandardOutput => Destination::Stream(Box::new(std::io::stdout())),
            Self::File(path) => Destination::File(path.clone()),
        }
    }
}

pub(super) fn goal(options: &Explain) -> Result<Goal> {
    use pellucid_recipe::data::write::TableFormat;
    let output = &options.output;
    let place = match &output.output {
        None => Place::StandardOutput,
        Some(path) if path.as_os_str() == "-" => Place::StandardOutput,
        Some(path) => Place::File(path.clone()),
    };
    if let Place::File(path) = &place {
        check_place(path)?;
    }
    let format = match (output.format, &place) {
        (Some(OutputFormat::Table), Place::File(_)) => {
            return Err(usage("a table for people goes to the standard output only"));
        }
        (Some(OutputFormat::Table), _) => return Ok(Goal::Show),
        (Some(OutputFormat::Csv), _) => Format::Csv,
        (Some(OutputFormat::Jsonl), _) => Format::JsonLines,
        (Some(OutputFormat::Parquet), _) => Format::Parquet,
        (Some(OutputFormat::Npy), _) => Format::Npy,
        (Some(OutputFormat::Safetensors), _) => Format::Safetensors,
        (None, Place::File(path)) => Format::of_path(path)?,
        (None, Place::StandardOutput) if output.output.is_none() => return Ok(Goal::Show),
        (None, Place::StandardOutput) => {
            return Err(usage("say with --format how the standard output is written"));
        }
    };
    if !output.global {
        return Ok(Goal::Rows(format, place));
    }
    let table = match format {
        Format::Csv => TableFormat::Csv,
        Format::JsonLines => TableFormat::JsonLines,
        Format::Parquet => TableFormat::Parquet,
        Format::Npy | Format::Safetensors => {
            return Err(usage("the global table is written as csv, jsonl or parquet"));
        }
    };
    Ok(Goal::Global(table, place))
}

/// The specification file, if there is one, with the options over it, for one method.
fn request(options: &Explain) -> Result<Request> {
    match options.how.method.as_slice() {
        [] => request_for(options, None),
        [one] => request_for(options, Some(one)),
        _ => Err(usage("several methods at once are for pictures")),
    }
}

/// The same with one of several methods.
pub(super) fn request_for(options: &Explain, method: Option<&String>) -> Result<Request> {
    let (what, how, output) = (&options.what, &options.how, &options.output);
    let mut r = match &how.spec {
        Some(path) => Request::load(path)?,
        None => Request::default(),
    };
    /// A name that serde knows.
    fn named<T: serde::de::DeserializeOwned>(option: &str, name: &str) -> Result<T> {
        serde_json::from_value(serde_json::Value::from(name.replace('-', "_")))
            .map_err(|e| usage(format!("--{option}: {e}")))
    }
    if let Some(rows) = &what.rows {
        r.rows.clone_from(rows);
    }
    if !what.target.is_empty() {
        r.target = Targets(what.target.clone());
    }
    if let Some(scale) = &what.scale {
        r.scale = named("scale", scale)?;
    }
    if let Some(method) = method {
        // Arguments of another method would not fit.
        if *method != r.method {
            for argument in r.arguments().into_keys() {
                r.forget(&argument);
            }
        }
        r.method.clone_from(method);
    }
    if let Some(baseline) = &how.baseline {
        r.baseline = baseline.parse()?;
        r.baseline_space = None;
    }
    if let Some(space) = &how.baseline_space {
        r.baseline_space = Some(named("baseline-space", space)?);
    }
    if let Some(rule) = &how.quadrature {
        r.quadrature = Some(rule.parse().map_err(pellucid_recipe::Error::from)?);
    }
    if let Some(precision) = &how.precision {
        r.precision = precision.parse().map_err(pellucid_recipe::Error::from)?;
    }
    let take = |into: &mut Option<String>, from: &Option<String>| {
        if from.is_some() {
            into.clone_from(from);
        }
    };
    for (names, role) in [(&what.explained, Role::Explained), (&what.fixed, Role::Fixed)] {
        for name in names {
            r.inputs.entry(name.clone()).or_default().role = role;
        }
    }
    take(&mut r.output, &what.output_name);
    take(&mut r.layer, &what.layer);
    take(&mut r.label, &what.label);
    r.features = what.features.clone().or(r.features);
    r.n_steps = how.nodes.or(r.n_steps);
    r.tolerance = how.tolerance.or(r.tolerance);
    r.multiply_by_inputs = how.multiply_by_inputs.or(r.multiply_by_inputs);
    r.absolute = how.absolute.or(r.absolute);
    r.eps = how.eps.or(r.eps);
    r.seed = how.seed.unwrap_or(r.seed);
    r.tile = how.tile.or(r.tile);
    r.feature_mask = how.feature_mask.clone().or(r.feature_mask);
    r.max_delta = output.max_delta.or(r.max_delta);
    if !output.keep.is_empty() {
        r.keep.clone_from(&output.keep);
    }
    r.fold = if output.fold { true } else { r.fold && !output.no_fold };
    Ok(r)
}

/// Several sinks, one after the other.
struct All<'a>(Vec<&'a mut dyn Sink>);

impl Sink for All<'_> {
    fn take(&mut self, header: &Header, rows: &Explained) -> Result<()> {
        self.0.iter_mut().try_for_each(|s| s.take(header, rows))
    }
}

/// The first rows in words.
#[derive(Default)]
struct Preview {
    shown: usize,
    text: String,
}

impl Sink for Preview {
    fn take(&mut self, header: &Header, rows: &Explained) -> Result<()> {
        for row in 0..rows.rows() {
            if self.shown == ROWS_SHOWN {
                return Ok(());
            }
            self.shown += 1;
            for target in 0..header.targets.len() {
                self.text.push_str(&row_text(header, rows, row, target));
            }
        }
        Ok(())
    }
}

fn row_text(header: &Header, rows: &Explained, row: usize, target: usize) -> String {
    let style = Style::of_stdout();
    let name = rows.target_name(header, row, target);
    let mut text = format!("{}: predicted {}", style.heading(&format!("row {}", rows.numbers[row])), {
        shown(&rows.predicted(header, row))
    });
    if let Some(p) = rows.probability(row, target) {
        text.push_str(&format!(", probability of {name} {}", format_significant(p, 4)));
    }
    text.push_str(&format!(", truth {}\n", shown(&rows.truth(header, row))));
    let of = |list: &Option<Vec<Vec<f64>>>| list.as_ref().map(|l| l[target][row]);
    text.push_str(&format!(
        "F(x) = {} ({} of {name})",
        format_significant(rows.output[target][row], 6),
        header.scale
    ));
    if let Some(base) = of(&rows.baseline_output) {
        text.push_str(&format!(", F(baseline) = {}", format_significant(base, 6)));
    }
    if let Some(delta) = of(&rows.delta) {
        text.push_str(&format!(", delta {}", exponent(delta)));
    }
    text.push('\n');
    let values = rows.of(header, row, target);
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[b].abs().total_cmp(&values[a].abs()));
    let mut table = Table::new("")
        .column("feature", Align::Left)
        .column("value", Align::Right)
        .column("attribution", Align::Right);
    for &i in order.iter().take(FEATURES_SHOWN) {
        let value = rows.value(header, row, i).map_or_else(String::new, |c| shown(&c));
        table = table.row([header.features[i].clone(), value, format_signed(values[i], 4)]);
    }
    if order.len() > FEATURES_SHOWN {
        let rest: f64 = order[FEATURES_SHOWN..].iter().map(|&i| values[i]).sum();
        let name = format!("{} more", order.len() - FEATURES_SHOWN);
        table = table.row([name, String::new(), format_signed(rest, 4)]);
    }
    text.push_str(&table.to_text());
    text.push('\n');
    text
}

fn shown(cell: &pellucid_recipe::data::table::Cell) -> String {
    use pellucid_recipe::data::table::Cell;
    match cell {
        Cell::Missing => "unknown".to_owned(),
        Cell::Number(x) => format_number(*x),
        other => other.to_string(),
    }
}

fn exponent(x: f64) -> String {
    if x == 0.0 { "0".to_owned() } else { format!("{x:+.1e}") }
}

fn heading(record: &Record) -> String {
    let computed = &record.computed;
    let mut text = format!("{}, {} rows", computed.method, format_count(record.rows));
    if record.baseline_encoded.is_some() || computed.spec.baseline != pellucid::Baseline::Zero {
        text.push_str(&format!(", baseline {}", record.request.baseline));
    }
    if let Some(c) = &record.completeness {
        text.push_str(&format!(", |delta| mean {:.1e}, largest {:.1e}", c.mean, c.max));
    }
    text.push('\n');
    if let Some(parts) = record.parts() {
        text.push_str(&format!("{parts}\n"));
    }
    text
}

fn global_text(globals: &[Global], all: bool) -> String {
    let style = Style::of_stdout();
    let mut text = String::new();
    for global in globals {
        text.push_str(&format!("{}\n", style.heading(&format!("target {}", global.target))));
        let mut order: Vec<usize> = (0..global.features.len()).collect();
        order.sort_by(|&a, &b| global.features[b].sum.abs().total_cmp(&global.features[a].sum.abs()));
        let mut table = Table::new("")
            .column("feature", Align::Left)
            .column("sum", Align::Right)
            .column("share", Align::Right)
            .column("mean |a|", Align::Right)
            .column("active rows", Align::Right)
            .column("mean where active", Align::Right)
            .column("cancelled", Align::Right);
        let most = if all { usize::MAX } else { GLOBAL_SHOWN };
        for &i in order.iter().take(most) {
            let f = &global.features[i];
            table = table.row([
                f.name.clone(),
                format_signed(f.sum, 3),
                global.share(f).map_or_else(String::new, |s| format_signed(s, 4)),
                format_significant(global.mean_magnitude(f), 4),
                format_count(f.active_rows),
                f.mean_where_active().map_or_else(String::new, |m| format_signed(m, 4)),
                f.cancelled().map_or_else(String::new, |c| format_percent(c, 0)),
            ]);
        }
        text.push_str(&table.to_text());
        if order.len() > most {
            text.push_str(&format!("and {} more; --global shows all\n", order.len() - most));
        }
        text.push('\n');
    }
    text
}

fn write_global(
    format: pellucid_recipe::data::write::TableFormat,
    place: &Place,
    globals: &[Global],
    record: &Record,
) -> Result<()> {
    match place {
        Place::File(path) => {
            global::write(path, format, globals)?;
            write_text(&record_path(path), &record.to_json())
        }
        Place::StandardOutput => global::write_stream(Box::new(std::io::stdout()), format, globals),
    }
}

pub(super) fn print_profile(profile: &Profile) {
    use std::io::Write;
    let entries = profile.entries();
    let total: Duration = entries.iter().map(|e| e.time).sum();
    let mut table = Table::new("")
        .column("stage", Align::Left)
        .column("node", Align::Left)
        .column("operator", Align::Left)
        .column("calls", Align::Right)
        .column("ms", Align::Right)
        .column("share", Align::Right);
    for e in entries {
        let share = if total.is_zero() { 0.0 } else { e.time.as_secs_f64() / total.as_secs_f64() };
        table = table.row([
            e.stage.to_owned(),
            e.name.to_string(),
            e.operator.to_owned(),
            format_count(e.calls),
            format!("{:.3}", e.time.as_secs_f64() * 1e3),
            format_percent(share, 1),
        ]);
    }
    let _ = write!(std::io::stderr(), "{}", table.to_text());
}
