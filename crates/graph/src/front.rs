//! One network behind another.

use crate::error::{ErrorKind, Result};
use crate::network::{Network, NetworkNode, Symbol};

impl Network {
    /// This network behind another, whose only output takes the place of its only input. It keeps its outputs, its names and its metadata;
    /// where the two networks use a name for different values, this one's value inside gets another.
    ///
    /// Errors: one of the two has not one such input or output, or an output has a name that the other network uses.
    pub fn behind(&self, front: &Self) -> Result<Self> {
        let (&[input], &[given]) = (self.inputs.as_slice(), front.outputs.as_slice()) else {
            return Err(ErrorKind::Malformed(format!(
                "a network with {} inputs cannot stand behind one with {} outputs",
                self.inputs.len(),
                front.outputs.len()
            ))
            .into());
        };
        let mut all = front.clone();
        let mut places = Vec::with_capacity(self.symbols.len());
        for (i, symbol) in self.symbols.iter().enumerate() {
            if i == input {
                places.push(given);
                continue;
            }
            let mut name = symbol.name.clone();
            if self.outputs.contains(&i) && all.names.contains_key(&name) {
                return Err(
                    ErrorKind::Malformed(format!("an input and an output are both named {name:?}")).into()
                );
            }
            while all.names.contains_key(&name) {
                name.push('_');
            }
            places.push(all.add_symbol(Symbol { name, ..symbol.clone() })?);
        }
        let moved = |list: &[Option<usize>]| list.iter().map(|v| v.map(|v| places[v])).collect();
        all.nodes.extend(self.nodes.iter().map(|node| NetworkNode {
            inputs: moved(&node.inputs),
            outputs: moved(&node.outputs),
            ..node.clone()
        }));
        all.outputs = self.outputs.iter().map(|&o| places[o]).collect();
        all.metadata.clone_from(&self.metadata);
        all.warnings.extend(self.warnings.iter().cloned());
        for (domain, &version) in &self.opsets {
            let entry = all.opsets.entry(domain.clone()).or_insert(version);
            *entry = version.max(*entry);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use crate::network::{Dim, Network};
    use crate::ops::{Add, Neg};
    use crate::tensor::{DType, Tensor};
    use crate::{Specialisation, evaluate::evaluate};

    /// out = −x, or x + c.
    fn small(name: &str, adds: bool) -> Network {
        let rows = [Dim::Symbol("rows".to_owned()), Dim::Fixed(1)];
        let mut n = Network::new();
        let x = n.add_input("x", DType::F64, &rows).unwrap();
        let out = if adds {
            let c = n.add_constant("c", Tensor::vector(vec![2.0f64])).unwrap();
            n.add_node("add", Add, &[x, c], name).unwrap()
        } else {
            n.add_node("negative", Neg, &[x], name).unwrap()
        };
        n.add_output(out, DType::F64, &rows);
        n.metadata.insert("from".to_owned(), name.to_owned());
        n
    }

    #[test]
    fn the_output_of_the_one_is_the_input_of_the_other() {
        let whole = small("sum", true).behind(&small("c", false)).unwrap();
        let whole = Network::from_bytes(&whole.to_bytes().unwrap(), None).unwrap();
        assert_eq!(whole.input_names().collect::<Vec<_>>(), ["x"]);
        assert_eq!(whole.output_names().collect::<Vec<_>>(), ["sum"]);
        assert_eq!(whole.metadata["from"], "sum");
        let how = Specialisation { rows: 2, ..Specialisation::default() };
        let s = whole.specialise(&how, whole.outputs()).unwrap();
        let x = Tensor::new(&[2, 1], vec![5.0f64, -1.0]).unwrap();
        let found = evaluate(&s.graph, &[(s.graph.inputs()[0], x)], s.graph.outputs()).unwrap();
        assert_eq!(found[0].as_slice::<f64>().unwrap(), [-3.0, 3.0]);
    }

    #[test]
    fn an_output_keeps_its_name_or_is_refused() {
        let clash = small("y", true).behind(&small("y", false)).unwrap_err();
        assert!(clash.to_string().contains("both named \"y\""), "{clash}");
    }
}
