//! When values are needed, and which of them take the same place one behind the other.

use std::collections::{BTreeMap, HashMap};

use pellucid_graph::{DType, Fact, ValueId};

/// When values are needed: from the step that makes one to the last that reads it.
#[derive(Debug, Default)]
pub(crate) struct Lives {
    all: Vec<Life>,
    of: HashMap<ValueId, usize>,
}

#[derive(Clone, Debug)]
struct Life {
    value: ValueId,
    dtype: DType,
    len: usize,
    from: usize,
    to: usize,
}

impl Lives {
    pub(crate) fn begin(&mut self, value: ValueId, fact: &Fact, step: usize) {
        self.of.insert(value, self.all.len());
        self.all.push(Life { value, dtype: fact.dtype, len: fact.len(), from: step, to: step });
    }

    pub(crate) fn reach(&mut self, value: ValueId, step: usize) {
        if let Some(&i) = self.of.get(&value) {
            self.all[i].to = self.all[i].to.max(step);
        }
    }

    /// Slots by type and size, and the slot of each value. The largest values choose first, and take the smallest slot that is large enough
    /// and that nobody needs at the same time.
    pub(crate) fn slots(mut self) -> (Vec<(DType, usize)>, HashMap<ValueId, usize>) {
        self.all.sort_by_key(|life| std::cmp::Reverse(life.len.saturating_mul(life.dtype.size())));
        let last = self.all.iter().map(|life| life.from).max().unwrap_or(0) + 1;
        let mut slots: Vec<(DType, usize)> = Vec::new();
        let mut of_type: HashMap<DType, Taken> = HashMap::new();
        let mut slot_of = HashMap::with_capacity(self.all.len());
        for Life { value, dtype, len, from, to } in self.all {
            // Steps behind the last that makes a value are one to those that are there then.
            let to = to.min(last);
            let taken = of_type.entry(dtype).or_insert_with(|| Taken::new(last + 1));
            let slot = taken.free(from, to).unwrap_or_else(|| {
                slots.push((dtype, len));
                taken.lives.push((slots.len() - 1, BTreeMap::new()));
                taken.lives.len() - 1
            });
            slot_of.insert(value, taken.take(slot, from, to));
        }
        (slots, slot_of)
    }
}

/// Which slots of a type are taken at which steps.
struct Taken {
    /// Each slot: its number among those of all types, and the last step of each life in it by its first.
    lives: Vec<(usize, BTreeMap<usize, usize>)>,
    counts: Counts,
}

impl Taken {
    fn new(steps: usize) -> Self {
        Self { lives: Vec::new(), counts: Counts::new(steps) }
    }

    /// The smallest slot that is free from one step to another, the last of those of that size.
    fn free(&self, from: usize, to: usize) -> Option<usize> {
        // Where all are taken at one step there is none; a long chain of values that are all needed on the way back is made of such.
        if self.counts.most(from, to) == self.lives.len() {
            return None;
        }
        let is_free = |(_, lives): &(usize, BTreeMap<usize, usize>)| {
            lives.range(..=to).next_back().is_none_or(|(_, &last)| last < from)
        };
        self.lives.iter().rposition(is_free)
    }

    /// Takes one of these slots, and gives its number among those of all types.
    fn take(&mut self, slot: usize, from: usize, to: usize) -> usize {
        self.counts.add(from, to);
        let (number, lives) = &mut self.lives[slot];
        lives.insert(from, to);
        *number
    }
}

/// How many lives there are at each step: a tree whose nodes know the most below them.
struct Counts {
    steps: usize,
    /// For each node, the lives that span all of it, and the most at one of its steps, those above it apart.
    nodes: Vec<(usize, usize)>,
}

impl Counts {
    fn new(steps: usize) -> Self {
        let steps = steps.next_power_of_two();
        Self { steps, nodes: vec![(0, 0); 2 * steps] }
    }

    fn add(&mut self, from: usize, to: usize) {
        self.add_below(1, (0, self.steps), (from, to + 1));
    }

    fn most(&self, from: usize, to: usize) -> usize {
        self.most_below(1, (0, self.steps), (from, to + 1))
    }

    fn add_below(&mut self, node: usize, (start, end): (usize, usize), life: (usize, usize)) {
        if life.1 <= start || end <= life.0 {
            return;
        }
        if life.0 <= start && end <= life.1 {
            self.nodes[node].0 += 1;
            self.nodes[node].1 += 1;
            return;
        }
        let middle = start.midpoint(end);
        self.add_below(2 * node, (start, middle), life);
        self.add_below(2 * node + 1, (middle, end), life);
        let below = self.nodes[2 * node].1.max(self.nodes[2 * node + 1].1);
        self.nodes[node].1 = self.nodes[node].0 + below;
    }

    fn most_below(&self, node: usize, (start, end): (usize, usize), life: (usize, usize)) -> usize {
        if life.1 <= start || end <= life.0 {
            return 0;
        }
        let (own, most) = self.nodes[node];
        if life.0 <= start && end <= life.1 {
            return most;
        }
        let middle = start.midpoint(end);
        let below = self.most_below(2 * node, (start, middle), life);
        own + below.max(self.most_below(2 * node + 1, (middle, end), life))
    }
}

#[cfg(test)]
mod tests {
    use pellucid_graph::random::Stream;
    use pellucid_graph::{Builder, DType, Fact};

    use super::Lives;

    /// Every value has a slot of its type that is large enough and that no other needs meanwhile: the smallest when it chose.
    #[test]
    fn values_take_the_smallest_free_slot() {
        let mut stream = Stream::new(5, [0; 3]);
        let mut draw = |n: usize| (stream.uniform() * n as f64) as usize;
        for round in 0..300 {
            let mut b = Builder::new(1);
            let mut lives = Lives::default();
            let (steps, longest) = (1 + draw(40), 1 + draw(12));
            for step in 0..steps {
                for _ in 0..draw(4) {
                    let dtype = [DType::F32, DType::F64, DType::Bool][draw(3)];
                    let fact = Fact::new(dtype, &[1 + draw(5)]);
                    let value = b.input("x", fact.clone());
                    lives.begin(value, &fact, step);
                    let to = if draw(10) == 0 { usize::MAX } else { step + draw(longest) };
                    lives.reach(value, to);
                }
            }
            let mut all = lives.all.clone();
            let (slots, slot_of) = lives.slots();
            all.sort_by_key(|life| std::cmp::Reverse(life.len * life.dtype.size()));
            let mut made = 0;
            for (i, life) in all.iter().enumerate() {
                let meets = |other: &super::Life| life.from <= other.to && other.from <= life.to;
                let free = |slot: usize| {
                    slots[slot].0 == life.dtype
                        && !all[..i].iter().any(|other| slot_of[&other.value] == slot && meets(other))
                };
                let expected = (0..made).rev().find(|slot| free(*slot)).unwrap_or(made);
                assert_eq!(slot_of[&life.value], expected, "{round}: {life:?}");
                assert!(slots[expected].0 == life.dtype && slots[expected].1 >= life.len);
                made = made.max(expected + 1);
            }
            assert_eq!(slots.len(), made);
        }
    }
}
