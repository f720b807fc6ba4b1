//! `pellucid inspect`: what is in a model.

mod tree;

use std::collections::BTreeMap;

use pellucid_recipe::data::image::{ImageSteps, Resize};
use pellucid_recipe::inspect::{self, Contents, Lack, Missing, Port, Reach};
use pellucid_recipe::{OpenModel, Result};
use pellucid_report::format_count;

use crate::arguments::Inspect;
use crate::screen::{Style, print};

pub(super) fn inspect(options: &Inspect) -> Result<()> {
    let model = OpenModel::load(&options.model)?;
    let contents = inspect::inspect(&model);
    if options.json {
        let json = serde_json::to_string_pretty(&contents).unwrap_or_default();
        return print(&format!("{json}\n"));
    }
    print(&text(&contents))
}

fn text(c: &Contents) -> String {
    let style = Style::of_stdout();
    let mut text = format!("{}  {}\n", style.heading(&c.file), style.quiet(&format!("sha256 {}", c.sha256)));
    let opsets: Vec<String> = c
        .opsets
        .iter()
        .map(|(d, v)| if d.is_empty() { format!("opset {v}") } else { format!("{d} {v}") })
        .collect();
    let producer = if c.producer.is_empty() { "unknown" } else { &c.producer };
    text.push_str(&format!("written by {producer}, {}\n", opsets.join(", ")));
    let ports = |ports: &[Port]| {
        ports
            .iter()
            .map(|p| format!("{} {} [{}]", p.name, p.dtype, p.shape.join(", ")))
            .collect::<Vec<_>>()
            .join("; ")
    };
    text.push_str(&format!("inputs: {}\noutputs: {}\n", ports(&c.inputs), ports(&c.outputs)));
    if !c.columns.is_empty() {
        text.push_str(&format!("columns: {}\n", c.columns.join(", ")));
    }
    if !c.classes.is_empty() {
        const SHOWN: usize = 12;
        let more = match c.classes.len().saturating_sub(SHOWN) {
            0 => String::new(),
            n => format!(" and {} more", format_count(n as u64)),
        };
        let first: Vec<&str> = c.classes.iter().take(SHOWN).map(String::as_str).collect();
        text.push_str(&format!("classes: {}{more}\n", first.join(", ")));
    }
    if let Some(images) = &c.images {
        text.push_str(&format!("pictures: {}\n", images_text(images)));
    }
    if let Some([train, validation, test]) = c.split {
        text.push_str(&format!("split: {train} train, {validation} validation, {test} test\n"));
    }
    text.push('\n');
    text.push_str(&tree::table(&c.layers).to_text());
    text.push_str(&format!("\n{}\n", counted(c)));
    for warning in &c.warnings {
        text.push_str(&format!("note: {warning}\n"));
    }
    text.push_str(&methods(c, &style));
    let headings = [
        (Lack::Operator, "Cannot be run"),
        (Lack::Inputs, "Refuses its inputs"),
        (Lack::Gradient, "No gradient passes"),
    ];
    for (lack, heading) in headings {
        let gaps: Vec<&Missing> = c.gaps.iter().filter(|g| g.lacks == lack).collect();
        if !gaps.is_empty() {
            text.push_str(&format!("\n{}\n", style.heading(heading)));
        }
        for gap in gaps {
            let line = format!("  {}: {} of opset {}: {}\n", gap.node, gap.operator, gap.opset, gap.reason);
            text.push_str(&line);
        }
    }
    text
}

/// How many numbers, nodes and units there are.
fn counted(c: &Contents) -> String {
    let mut line = format!("{} parameters in {} nodes", format_count(c.parameters), c.layers.len());
    let shown = tree::shown(&c.layers).count();
    if shown < c.layers.len() {
        line.push_str(&format!(
            ", of which {} lie in units or are the same for all rows; --json lists them too",
            c.layers.len() - shown
        ));
    }
    let mut units: BTreeMap<&str, usize> = BTreeMap::new();
    for unit in c.layers.iter().filter_map(|l| l.unit.as_ref()) {
        *units.entry(&unit.operator).or_default() += 1;
    }
    if !units.is_empty() {
        let units: Vec<String> = units.into_iter().map(|(name, n)| format!("{n} {name}")).collect();
        line.push_str(&format!("\nrecognised units: {}", units.join(", ")));
    }
    line
}

/// From where which methods work, and why the others do not.
fn methods(c: &Contents, style: &Style) -> String {
    if c.methods.is_empty() {
        return "\nThe file does not say the shapes of its inputs; which methods work shows when it is explained.\n"
            .to_owned();
    }
    let mut groups: Vec<(String, Vec<&str>)> = Vec::new();
    for reach in &c.methods {
        let place = match &reach.reason {
            Some(reason) => format!("no: {reason}"),
            None if reach.layers > 0 => at_layers(c, reach.layers),
            None => from_inputs(reach),
        };
        match groups.iter_mut().find(|(p, _)| *p == place) {
            Some((_, list)) => list.push(&reach.method),
            None => groups.push((place, vec![&reach.method])),
        }
    }
    // What works first.
    groups.sort_by_key(|(place, _)| place.starts_with("no: "));
    let mut text = format!("\n{}\n", style.heading("Methods"));
    for (place, list) in groups {
        text.push_str(&format!("  {}\n    {}\n", list.join(", "), style.quiet(&place)));
    }
    if c.one_row {
        text.push_str("  one row at a time: rows of a batch influence each other\n");
    }
    text
}

fn at_layers(c: &Contents, layers: usize) -> String {
    let all = c.layers.iter().filter(|l| l.values).count();
    if layers >= all { "at any layer".to_owned() } else { format!("at {layers} of {all} layers") }
}

fn from_inputs(reach: &Reach) -> String {
    let one = |input: &pellucid_recipe::pellucid::InputUse| {
        if input.embeddings.is_empty() {
            input.name.clone()
        } else {
            format!("{}, at the output of {}", input.name, input.embeddings.join(" and "))
        }
    };
    let inputs: Vec<String> = reach.inputs.iter().map(one).collect();
    format!("from {}", inputs.join("; "))
}

/// A recipe for pictures in a line.
fn images_text(steps: &ImageSteps) -> String {
    let name = |value: serde_json::Result<serde_json::Value>| {
        value.ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    };
    let mut parts = Vec::new();
    match steps.resize {
        Resize::Keep => {}
        Resize::ShorterSide(side) => parts.push(format!("shorter side to {side}")),
        Resize::Exact(size) => parts.push(format!("resized to {size}")),
    }
    if steps.resize != Resize::Keep {
        parts.push(name(serde_json::to_value(steps.resampling)));
    }
    parts.extend(steps.crop.map(|size| format!("middle {size}")));
    parts.push(format!("scale {}", name(serde_json::to_value(steps.scale))));
    for (title, values) in [("mean", &steps.mean), ("deviation", &steps.deviation)] {
        if !values.is_empty() {
            let values: Vec<String> = values.iter().map(f64::to_string).collect();
            parts.push(format!("{title} {}", values.join(" ")));
        }
    }
    parts.push(name(serde_json::to_value(steps.channels)));
    parts.push(name(serde_json::to_value(steps.layout)));
    parts.join(", ")
}
