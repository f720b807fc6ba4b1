//! Docs that are written from the tables in the code.

use std::fmt::Write as _;
use std::path::Path;

use pellucid::METHODS;
use pellucid::graph::ops;

/// Writes every generated page under `docs/`; with `check`, fails where one is not as it should be.
pub(crate) fn write(root: &Path, check: bool) -> Result<(), String> {
    for (name, text) in [("operators.md", operators()), ("methods.md", methods()), ("schema.md", schema())] {
        let path = root.join("docs").join(name);
        if check {
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            if found != text {
                return Err(format!("docs/{name} is not current; run `cargo xtask docs`"));
            }
        } else {
            std::fs::create_dir_all(root.join("docs")).map_err(|e| e.to_string())?;
            std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))?;
        }
    }
    Ok(())
}

const HEAD: &str = "<!-- Written by `cargo xtask docs` from the tables in the code. -->\n\n";

fn schema() -> String {
    format!("{HEAD}{}", pellucid_recipe::schema::markdown())
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn operators() -> String {
    let mut s = format!(
        "{HEAD}# Operators\n\nPellucid reads {} operators. \"From opset\" is the oldest form that is read; older forms are brought to \
         today's on load. The last column says what the derivative is where it is not plain.\n\n\
         | operator | domain | from opset | computes | derivative |\n|---|---|---|---|---|\n",
        ops::TABLE.len()
    );
    for d in ops::TABLE {
        let domain = if d.domain.is_empty() { "ai.onnx" } else { d.domain };
        // Writing to a string does not fail.
        let _ = writeln!(
            s,
            "| {} | {domain} | {} | {} | {} |",
            d.name,
            d.since,
            cell(d.summary),
            cell(d.derivative)
        );
    }
    s
}

fn methods() -> String {
    let mut s = format!("{HEAD}# Methods\n\n");
    for m in METHODS {
        let _ = write!(
            s,
            "## {}\n\n`{}` · Python: `pellucid.attr.{}`\n\n{}\n\n",
            m.title, m.name, m.class, m.summary
        );
        let _ =
            writeln!(s, "- Check: {}.\n- Cost for each row: {}.\n- Caution: {}", m.check, m.cost, m.caution);
        if !m.citation.is_empty() {
            let _ = writeln!(s, "- {}", m.citation);
        }
        s.push('\n');
    }
    s
}
