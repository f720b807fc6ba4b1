//! The tree of a model's layers, as a table.

use pellucid_recipe::inspect::Layer;
use pellucid_report::{Align, Table, format_count};

/// The layers that are shown: all but parts of units and what is the same for all rows.
pub(super) fn shown(layers: &[Layer]) -> impl Iterator<Item = &Layer> {
    layers.iter().filter(|l| l.part_of.is_none() && !l.constant)
}

/// The layers below the modules of their paths.
pub(super) fn table(layers: &[Layer]) -> Table {
    let shown: Vec<&Layer> = shown(layers).collect();
    // Where the gradient reaches is worth a column only where it does not reach everything.
    let differ = shown.iter().any(|l| l.values && !l.gradient) && shown.iter().any(|l| l.values);
    let mut table = Table::new("")
        .column("layer", Align::Left)
        .column("operator", Align::Left)
        .column("kind", Align::Left)
        .column("shape", Align::Left)
        .column("parameters", Align::Right);
    if differ {
        table = table.column("gradient", Align::Left);
    }
    table = table.column("name", Align::Left);
    for line in lines(layers, &shown) {
        let mut cells = vec![format!("{}{}", "  ".repeat(line.indent), line.label)];
        match line.layer {
            None => {
                cells.extend([String::new(), String::new(), String::new(), counted(line.parameters)]);
                cells.extend((0..=usize::from(differ)).map(|_| String::new()));
            }
            Some(l) => {
                let (operator, kind) = match &l.unit {
                    Some(unit) => (format!("{} ({} nodes)", unit.operator, unit.nodes), unit.kind.clone()),
                    None => (l.operator.clone(), l.kind.clone()),
                };
                cells.extend([operator, kind, format!("[{}]", l.shape.join(", ")), counted(line.parameters)]);
                if differ {
                    cells.push(if l.gradient { "yes" } else { "" }.to_owned());
                }
                cells.push(if l.name == line.label { String::new() } else { l.name.clone() });
            }
        }
        table = table.row(cells);
    }
    table
}

fn counted(parameters: u64) -> String {
    if parameters == 0 { String::new() } else { format_count(parameters) }
}

/// A line of the tree; a module's has no layer.
struct Line<'a> {
    indent: usize,
    label: String,
    layer: Option<&'a Layer>,
    parameters: u64,
}

/// A module with what lies in it, in order.
#[derive(Default)]
struct Module<'a> {
    label: String,
    inside: Vec<Inside<'a>>,
}

enum Inside<'a> {
    Layer(&'a Layer),
    Module(Module<'a>),
}

impl<'a> Module<'a> {
    /// Puts a layer where its path leads, into the module that was open last where that is the same.
    fn put(&mut self, path: &[&str], layer: &'a Layer) {
        let Some((first, rest)) = path.split_first() else {
            self.inside.push(Inside::Layer(layer));
            return;
        };
        if let Some(Inside::Module(last)) = self.inside.last_mut()
            && last.label == *first
        {
            return last.put(rest, layer);
        }
        let mut module = Module { label: (*first).to_owned(), inside: Vec::new() };
        module.put(rest, layer);
        self.inside.push(Inside::Module(module));
    }

    fn write(&self, indent: usize, own: &dyn Fn(&Layer) -> u64, lines: &mut Vec<Line<'a>>) {
        for inside in &self.inside {
            match inside {
                Inside::Layer(layer) => lines.push(Line {
                    indent,
                    label: short(&layer.node),
                    layer: Some(layer),
                    parameters: own(layer),
                }),
                Inside::Module(module) => module.write_self(indent, own, lines),
            }
        }
    }

    fn write_self(&self, indent: usize, own: &dyn Fn(&Layer) -> u64, lines: &mut Vec<Line<'a>>) {
        // Modules that hold but one thing share a line with it.
        let (mut label, mut module) = (self.label.clone(), self);
        while let [Inside::Module(only)] = module.inside.as_slice() {
            label = format!("{label}.{}", only.label);
            module = only;
        }
        if let [Inside::Layer(only)] = module.inside.as_slice() {
            lines.push(Line { indent, label, layer: Some(only), parameters: own(only) });
            return;
        }
        let parameters = module.parameters(own);
        lines.push(Line { indent, label, layer: None, parameters });
        module.write(indent + 1, own, lines);
    }

    fn parameters(&self, own: &dyn Fn(&Layer) -> u64) -> u64 {
        let of = |inside: &Inside<'_>| match inside {
            Inside::Layer(layer) => own(layer),
            Inside::Module(module) => module.parameters(own),
        };
        self.inside.iter().map(of).sum()
    }
}

/// The last part of a node's name.
fn short(node: &str) -> String {
    node.rsplit('/').next().filter(|s| !s.is_empty()).unwrap_or(node).to_owned()
}

fn lines<'a>(all: &'a [Layer], shown: &[&'a Layer]) -> Vec<Line<'a>> {
    let mut root = Module::default();
    for layer in shown {
        // Without a module there are the scopes in the node's name, as TensorFlow writes them.
        let path: Vec<&str> = if layer.path == layer.node {
            let scopes: Vec<&str> = layer.node.split('/').filter(|s| !s.is_empty()).collect();
            scopes.split_last().map(|(_, scopes)| scopes.to_vec()).unwrap_or_default()
        } else {
            layer.path.split('.').collect()
        };
        root.put(&path, layer);
    }
    // What was learned in the parts of a unit is the unit's.
    let own = |layer: &Layer| {
        let parts = all.iter().filter(|l| l.part_of.as_deref() == Some(layer.name.as_str()));
        layer.parameters + if layer.unit.is_some() { parts.map(|l| l.parameters).sum::<u64>() } else { 0 }
    };
    let mut lines = Vec::new();
    root.write(0, &own, &mut lines);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use pellucid_recipe::inspect::Unit;

    fn layer(path: &str, node: &str) -> Layer {
        Layer {
            name: node.to_owned(),
            node: node.to_owned(),
            path: path.to_owned(),
            operator: String::new(),
            kind: String::new(),
            shape: Vec::new(),
            parameters: 1,
            unit: None,
            part_of: None,
            constant: false,
            values: true,
            gradient: true,
        }
    }

    #[track_caller]
    fn check(layers: &[Layer], expected: &[&str]) {
        let shown: Vec<&Layer> = shown(layers).collect();
        let line = |l: &Line<'_>| format!("{}{} {}", " ".repeat(l.indent), l.label, l.parameters);
        assert_eq!(lines(layers, &shown).iter().map(line).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn modules_are_opened_once_and_share_a_line_with_what_they_hold() {
        let layers = [
            layer("stem", "/stem/Conv"),
            layer("body.0.conv", "/body/0/conv/Conv"),
            layer("body.0", "/body/0/Relu"),
            layer("body.1.inner.conv", "/body/1/inner/conv/Conv"),
            layer("/Add", "/Add"),
            layer("model/dense/MatMul", "model/dense/MatMul"),
        ];
        let expected =
            ["stem 1", "body 3", " 0 2", "  conv 1", "  Relu 1", " 1.inner.conv 1", "Add 1", "model.dense 1"];
        check(&layers, &expected);
    }

    #[test]
    fn units_stand_for_their_parts() {
        let mut layers = ["Sub", "Div", "Add", "Shape"].map(|n| layer("norm", n));
        layers[2].unit = Some(Unit { operator: "LayerNormalization".into(), kind: String::new(), nodes: 3 });
        for part in &mut layers[..2] {
            part.part_of = Some("Add".to_owned());
        }
        layers[3].constant = true;
        check(&layers, &["norm 3"]);
    }
}
