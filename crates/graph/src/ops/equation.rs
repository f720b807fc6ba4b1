//! Einstein's notation: the labels of operands and result that an equation such as `bij,bjk->bik` gives.

use crate::error::OpResult;
use crate::refuse;

/// The label of an axis: a letter, or a place in the ellipsis, counted from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Label {
    /// An axis of the ellipsis.
    Ellipsis(std::cmp::Reverse<usize>),
    /// A named axis.
    Letter(char),
}

/// The labels of an equation, for operands of known shapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Equation {
    /// For each operand, the labels of its axes.
    pub(crate) operands: Vec<Vec<Label>>,
    /// The labels of the result's axes.
    pub(crate) result: Vec<Label>,
}

/// Letters, with `None` for the ellipsis.
type Term = Vec<Option<char>>;

fn term(text: &str) -> OpResult<Term> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c.is_ascii_alphabetic() {
            found.push(Some(c));
            rest = &rest[1..];
        } else if let Some(after) = rest.strip_prefix("...") {
            if found.contains(&None) {
                refuse!("{text:?} has two ellipses");
            }
            found.push(None);
            rest = after;
        } else {
            refuse!("{text:?} has {c:?}, expected letters and at most one ellipsis");
        }
    }
    Ok(found)
}

fn labels(term: &Term, ellipsis: usize) -> Vec<Label> {
    let all = (0..ellipsis).rev().map(|i| Label::Ellipsis(std::cmp::Reverse(i)));
    term.iter()
        .flat_map(|c| match c {
            Some(c) => vec![Label::Letter(*c)],
            None => all.clone().collect(),
        })
        .collect()
}

impl Equation {
    /// Reads an equation for operands of these shapes.
    pub(crate) fn parse(text: &str, shapes: &[&[usize]]) -> OpResult<Self> {
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let (left, right) = match text.split_once("->") {
            Some((left, right)) => (left, Some(right)),
            None => (text.as_str(), None),
        };
        let terms: Vec<Term> = left.split(',').map(term).collect::<OpResult<_>>()?;
        if terms.len() != shapes.len() {
            refuse!("equation {text:?} has {} operands, the node {}", terms.len(), shapes.len());
        }
        let mut operands = Vec::with_capacity(terms.len());
        let mut most = 0;
        for (i, (term, shape)) in terms.iter().zip(shapes).enumerate() {
            let named = term.iter().flatten().count();
            let open = term.contains(&None);
            let ellipsis = shape.len().checked_sub(named).filter(|n| open || *n == 0);
            let Some(ellipsis) = ellipsis else {
                refuse!("operand {i} of equation {text:?} has {named} axes, its shape is {shape:?}")
            };
            most = most.max(ellipsis);
            operands.push(labels(term, ellipsis));
        }
        let result = match right {
            Some(right) => labels(&term(right)?, most),
            None => {
                // The ellipsis, then every letter that stands once, in alphabetical order.
                let all = operands.concat();
                let once = |l: &&Label| all.iter().filter(|k| k == l).count() == 1;
                let mut letters: Vec<Label> =
                    all.iter().filter(|l| matches!(l, Label::Letter(_))).filter(once).copied().collect();
                letters.sort_unstable();
                [labels(&vec![None], most), letters].concat()
            }
        };
        for (i, label) in result.iter().enumerate() {
            if result[..i].contains(label) || !operands.iter().any(|o| o.contains(label)) {
                refuse!("the result of equation {text:?} has a label twice, or one that no operand has");
            }
        }
        Ok(Self { operands, result })
    }

    /// The size that a label stands for; an axis of size one fits any.
    pub(crate) fn size(&self, label: Label, shapes: &[&[usize]]) -> OpResult<usize> {
        let mut size = 1;
        for (labels, shape) in self.operands.iter().zip(shapes) {
            for (_, &d) in labels.iter().zip(*shape).filter(|(l, _)| **l == label) {
                match (size, d) {
                    (a, b) if a == b || b == 1 => {}
                    (1, b) => size = b,
                    (a, b) => refuse!("one label stands for sizes {a} and {b}"),
                }
            }
        }
        Ok(size)
    }
}

#[cfg(test)]
mod tests {
    use super::Equation;

    #[test]
    fn results_that_are_not_written_follow_numpy() {
        let same = |a: &str, b: &str, shapes: &[&[usize]]| {
            assert_eq!(Equation::parse(a, shapes).unwrap(), Equation::parse(b, shapes).unwrap());
        };
        same("ij,jk", "ij,jk->ik", &[&[2, 3], &[3, 4]]);
        same("ba", "ba->ab", &[&[2, 3]]);
        same("ii", "ii->", &[&[2, 2]]);
        same("b...,  ...a", "b...,...a->...ab", &[&[2, 3], &[5, 3, 4]]);
    }

    #[test]
    fn malformed_equations_are_refused() {
        for (text, shapes) in [
            ("i,j", &[&[2][..]][..]),
            ("i->j", &[&[2]]),
            ("i->ii", &[&[2]]),
            ("i1", &[&[2, 2]]),
            ("......", &[&[2]]),
            ("i..", &[&[2]]),
            ("ij", &[&[2]]),
            ("i", &[&[2, 2]]),
            ("ij...", &[&[2]]),
            ("é", &[&[2]]),
        ] {
            assert!(Equation::parse(text, shapes).is_err(), "{text}");
        }
        let equation = Equation::parse("i,i", &[&[2], &[3]]).unwrap();
        assert!(equation.size(super::Label::Letter('i'), &[&[2], &[3]]).is_err());
    }
}
