//! `pellucid methods`: the table of attribution methods.

use pellucid::{METHODS, MethodInfo};
use pellucid_recipe::Result;
use pellucid_recipe::request::method_called;
use pellucid_report::{Align, Table};

use crate::arguments::Methods;
use crate::screen::{Style, print};

pub(super) fn methods(options: &Methods) -> Result<()> {
    let chosen: Vec<&MethodInfo> = match &options.method {
        None => METHODS.iter().collect(),
        Some(name) => vec![method_called(name)?],
    };
    if options.json {
        let list: Vec<serde_json::Value> = chosen.iter().map(|m| json(m)).collect();
        return print(&format!("{:#}\n", serde_json::Value::from(list)));
    }
    if let (Some(_), [one]) = (&options.method, chosen.as_slice()) {
        return print(&in_full(one));
    }
    let mut table = Table::new("").column("method", Align::Left).column("what it computes", Align::Left);
    for m in chosen {
        table = table.row([m.name, m.summary]);
    }
    print(&table.to_text())?;
    print("\nMore on one: pellucid methods NAME\n")
}

fn json(m: &MethodInfo) -> serde_json::Value {
    serde_json::json!({
        "name": m.name, "class": m.class, "title": m.title, "summary": m.summary, "check": m.check, "cost": m.cost,
        "caution": m.caution, "citation": m.citation, "has_baseline": m.has_baseline, "has_layer": m.has_layer,
        "has_path": m.has_path,
    })
}

fn in_full(m: &MethodInfo) -> String {
    let style = Style::of_stdout();
    let mut text = format!("{} ({})\n\n{}\n\n", style.heading(m.title), m.name, m.summary);
    for (name, value) in [("Check", m.check), ("Cost", m.cost), ("Caution", m.caution), ("Paper", m.citation)]
    {
        if !value.is_empty() {
            text.push_str(&format!("{}: {value}\n", style.heading(name)));
        }
    }
    text
}
