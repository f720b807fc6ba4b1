//! `pellucid inspect`: what is in a model.

use pellucid_recipe::data::image::{ImageSteps, Resize};
use pellucid_recipe::inspect::{self, Contents, Layer, Port};
use pellucid_recipe::{OpenModel, Result};
use pellucid_report::{Align, Table, format_count};

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
    let mut table = Table::new("")
        .column("layer", Align::Left)
        .column("output", Align::Left)
        .column("operator", Align::Left)
        .column("kind", Align::Left)
        .column("shape", Align::Left)
        .column("parameters", Align::Right);
    for (indent, label, layer) in tree(&c.layers) {
        let name = format!("{}{label}", "  ".repeat(indent));
        table = match layer {
            None => table.row([name]),
            Some(l) => table.row([
                name,
                l.name.clone(),
                l.operator.clone(),
                l.kind.clone(),
                format!("[{}]", l.shape.join(", ")),
                if l.parameters == 0 { String::new() } else { format_count(l.parameters) },
            ]),
        };
    }
    text.push_str(&table.to_text());
    text.push_str(&format!("\n{} parameters in {} nodes\n", format_count(c.parameters), c.layers.len()));
    for warning in &c.warnings {
        text.push_str(&format!("note: {warning}\n"));
    }
    if !c.gaps.is_empty() {
        text.push_str(&format!("\n{}\n", style.heading("Cannot be run")));
        for gap in &c.gaps {
            text.push_str(&format!(
                "  {}: {} of opset {}: {}\n",
                gap.node, gap.operator, gap.opset, gap.reason
            ));
        }
    }
    text
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

/// The nodes below the modules of their paths; a module's line has no node.
fn tree(layers: &[Layer]) -> Vec<(usize, String, Option<&Layer>)> {
    let mut lines = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    for layer in layers {
        let parts: Vec<&str> = layer.path.split('.').collect();
        let (label, modules) = parts.split_last().map_or(("", &[][..]), |(l, m)| (*l, m));
        let same = open.iter().zip(modules).take_while(|(a, b)| a == b).count();
        open.truncate(same);
        for module in &modules[same..] {
            lines.push((open.len(), (*module).to_owned(), None));
            open.push(module);
        }
        lines.push((open.len(), label.to_owned(), Some(layer)));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_are_opened_once() {
        let layer = |path: &str| Layer {
            name: String::new(),
            path: path.to_owned(),
            operator: String::new(),
            kind: String::new(),
            shape: Vec::new(),
            parameters: 0,
        };
        let layers = ["stem", "body.0.conv", "body.0.relu", "body.1.conv", "head"].map(layer);
        let lines: Vec<String> =
            tree(&layers).iter().map(|(n, l, _)| format!("{}{l}", " ".repeat(*n))).collect();
        assert_eq!(lines, ["stem", "body", " 0", "  conv", "  relu", " 1", "  conv", "head"]);
    }
}
