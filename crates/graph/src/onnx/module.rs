//! The module path of a node, as exporters write it.

use std::collections::BTreeSet;

use super::proto::{GraphProto, NodeProto};

/// The key under which PyTorch's exporter writes the scopes of a node, as a Python list.
pub(super) const SCOPES: &str = "pkg.torch.onnx.name_scopes";

/// What PyTorch's exporter writes where a pass of its own made the node.
const NO_MODULE: &str = "_empty_nn_module_stack_from_metadata_hook";

/// The most modules in one another; a name of more parts is no path.
const MOST_PARTS: usize = 64;

/// The names of a file's weights, which begin with the path of their module.
#[derive(Debug, Default)]
pub(super) struct Weights<'a>(BTreeSet<&'a str>);

impl<'a> Weights<'a> {
    /// Those of a graph.
    pub(super) fn of(graph: &'a GraphProto) -> Self {
        Self(graph.initializer.iter().filter_map(|t| t.name.as_deref()).collect())
    }

    /// Whether there is a weight below a path.
    fn has_below(&self, path: &str) -> bool {
        let start = format!("{path}.");
        self.0.range(start.as_str()..).next().is_some_and(|name| name.starts_with(&start))
    }
}

/// The module that a node came from (`layer1.0.conv2`), where the exporter says so.
pub(super) fn module_path(node: &NodeProto, weights: &Weights<'_>) -> Option<String> {
    let scopes = node
        .metadata_props
        .iter()
        .find(|p| p.key.as_deref() == Some(SCOPES))
        .and_then(|p| p.value.as_deref());
    if let Some(scopes) = scopes.and_then(python_list) {
        // The last entry is the operation itself, the one before it the innermost module.
        let module = scopes.len().checked_sub(2).and_then(|i| scopes.into_iter().nth(i));
        return module.filter(|m| !m.is_empty() && m != NO_MODULE);
    }
    from_name(node.name.as_deref()?, weights)
}

/// The path in a name such as `/layer1/layer1.0/conv2/Conv`.
///
/// A part that repeats the one before it mostly goes on from it (`layer1.0`). But where a module that is called has a list of its own name,
/// which is not, `/layers/layers.0` is `layers.layers.0`: the weights' names then say so.
fn from_name(name: &str, weights: &Weights<'_>) -> Option<String> {
    let (parts, _) = name.strip_prefix('/')?.rsplit_once('/')?;
    let mut path = String::new();
    let mut last = "";
    for (depth, part) in parts.split('/').enumerate() {
        if part.is_empty() || depth == MOST_PARTS {
            return None;
        }
        let outer = path.len() - last.len();
        let goes_on = !last.is_empty() && part.strip_prefix(last).is_some_and(|rest| rest.starts_with('.'));
        let below = if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
        let instead = format!("{}{part}", &path[..outer]);
        path = if goes_on && (weights.has_below(&instead) || !weights.has_below(&below)) {
            instead
        } else {
            below
        };
        last = part;
    }
    Some(path)
}

/// The strings of a list as Python prints it: `['', 'net', "it's"]`. `None` for anything else.
fn python_list(text: &str) -> Option<Vec<String>> {
    let mut rest = text.trim().strip_prefix('[')?.strip_suffix(']')?.trim();
    let mut found = Vec::new();
    while let Some(quote) = rest.chars().next() {
        if quote != '\'' && quote != '"' {
            return None;
        }
        let mut item = String::new();
        let mut chars = rest.char_indices().skip(1);
        let end = loop {
            match chars.next()? {
                (_, '\\') => item.push(chars.next()?.1),
                (i, c) if c == quote => break i + 1,
                (_, c) => item.push(c),
            }
        };
        found.push(item);
        rest = rest[end..].trim_start();
        match rest.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if rest.is_empty() => {}
            None => return None,
        }
    }
    Some(found)
}

/// The scopes that [`module_path`] reads a module from.
pub(super) fn scopes_of(module: &str, operation: &str) -> String {
    let quote = |s: &str| format!("'{}'", s.replace('\\', "\\\\").replace('\'', "\\'"));
    format!("['', {}, {}]", quote(module), quote(operation))
}

#[cfg(test)]
mod tests {
    use super::{Weights, from_name, module_path, python_list, scopes_of};
    use crate::onnx::proto::{NodeProto, StringStringEntryProto};

    #[track_caller]
    fn check_scopes(scopes: &str, expected: Option<&str>) {
        let entry =
            StringStringEntryProto { key: Some(super::SCOPES.to_owned()), value: Some(scopes.to_owned()) };
        let node = NodeProto { metadata_props: vec![entry], ..NodeProto::default() };
        assert_eq!(module_path(&node, &Weights::default()).as_deref(), expected);
    }

    #[test]
    fn the_scope_before_the_operation_is_the_module() {
        check_scopes("['', 'net', 'net.0', 'linear']", Some("net.0"));
        check_scopes("['', 'add']", None);
        check_scopes("['add']", None);
        check_scopes("['_empty_nn_module_stack_from_metadata_hook', 'sym_size_int']", None);
        check_scopes("[]", None);
        check_scopes("nonsense", None);
        check_scopes(&scopes_of("it's.0", "relu"), Some("it's.0"));
    }

    #[test]
    fn lists_that_are_not_lists_are_left_alone() {
        assert_eq!(python_list("['a', \"b\\\"c\"]"), Some(vec!["a".to_owned(), "b\"c".to_owned()]));
        for bad in ["['a", "['a' 'b']", "[a]", "['a\\", "'a'"] {
            assert_eq!(python_list(bad), None, "{bad}");
        }
    }

    #[test]
    fn names_of_torchscript_give_paths() {
        let path = |name: &str| from_name(name, &Weights::default());
        assert_eq!(path("/layer1/layer1.0/conv2/Conv").as_deref(), Some("layer1.0.conv2"));
        assert_eq!(path("/features/features.0/features.0.0/Conv_1").as_deref(), Some("features.0.0"));
        assert_eq!(path("/layer.1/layer.10/Conv").as_deref(), Some("layer.1.layer.10"));
        for none in ["/Add", "model/dense/MatMul", "Conv_1", "//Conv", "/a//Conv", ""] {
            assert_eq!(path(none), None, "{none}");
        }
        assert_eq!(path(&"/a".repeat(65)).map(|p| p.len()), Some(127));
        assert_eq!(path(&"/a".repeat(66)), None);
    }

    #[test]
    fn weights_tell_a_list_of_its_modules_name_from_the_module() {
        let weights = Weights(["layers.layers.0.norm1.bias", "layer1.0.conv2.weight", "net.1"].into());
        let path = |name: &str| from_name(name, &weights);
        assert_eq!(path("/layers/layers.0/norm2/Add_1").as_deref(), Some("layers.layers.0.norm2"));
        assert_eq!(path("/layer1/layer1.0/conv2/Conv").as_deref(), Some("layer1.0.conv2"));
        assert_eq!(path("/net/net.1/Relu").as_deref(), Some("net.1"));
    }
}
