//! A confusion matrix: how often each true class was predicted as each class.

use crate::drawing::{Anchor, Drawing, Label, Rect};
use crate::font::{reserved, wrap};
use crate::number::{NOT_AVAILABLE, format_count, format_percent};
use crate::plot::{LABEL_SIZE, MARGIN, Plot, SMALL_SIZE, begin, described, nothing_to_show};
use crate::table::{Align, Table};
use crate::theme::{Ink, RAMP_STEPS};

const LEAST_WIDTH: f64 = 440.0;
const WIDEST_NAME: f64 = 180.0;
/// The widest name that a column is widened for.
const WIDEST_COLUMN_NAME: f64 = 110.0;
const COUNT_SIZE: f64 = 17.0;
const LINE: f64 = 14.5;
/// With more classes than this, cells carry colour only; the numbers are in the table.
const MOST_WITH_TEXT: usize = 20;

/// A matrix of counts with each cell's share of its row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfusionMatrix {
    /// The heading.
    pub title: String,
    /// On which rows, at which threshold; may be empty.
    pub subtitle: String,
    /// What the picture shows in words; made from the data where empty.
    pub description: String,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// `counts[truth][predicted]`; a missing count is shown as such.
    pub counts: Vec<Vec<u64>>,
}

impl ConfusionMatrix {
    fn size(&self) -> usize {
        let widest = self.counts.iter().map(Vec::len).max().unwrap_or(0);
        self.classes.len().max(self.counts.len()).max(widest)
    }

    fn class_name(&self, index: usize) -> String {
        self.classes.get(index).cloned().unwrap_or_else(|| format!("class {}", index + 1))
    }

    fn count(&self, truth: usize, predicted: usize) -> Option<u64> {
        self.counts.get(truth)?.get(predicted).copied()
    }

    fn share(&self, truth: usize, predicted: usize) -> Option<f64> {
        let total: f64 = self.counts.get(truth)?.iter().map(|count| *count as f64).sum();
        let count = self.count(truth, predicted)?;
        (total > 0.0).then(|| count as f64 / total)
    }

    fn texts(&self, truth: usize, predicted: usize) -> (String, String) {
        let missing = || NOT_AVAILABLE.to_owned();
        let count = self.count(truth, predicted).map_or_else(missing, format_count);
        let share = self.share(truth, predicted).map_or_else(missing, |share| format_percent(share, 1));
        (count, share)
    }

    fn words(&self) -> String {
        let sentence = |truth: usize| {
            let (count, share) = self.texts(truth, truth);
            format!("{}: {count} predicted as such ({share})", self.class_name(truth))
        };
        match self.size() {
            0 => "A confusion matrix without data.".to_owned(),
            size => {
                let parts: Vec<String> = (0..size.min(10)).map(sentence).collect();
                format!("Counts of true against predicted class. {}.", parts.join("; "))
            }
        }
    }

    fn cell(
        &self,
        drawing: &mut Drawing,
        (truth, predicted): (usize, usize),
        (x, y, w, h): (f64, f64, f64, f64),
    ) {
        let (count, share) = self.texts(truth, predicted);
        let step = (self.share(truth, predicted).unwrap_or(0.0) * f64::from(RAMP_STEPS)).round() as u8;
        let (from, to) = (self.class_name(truth), self.class_name(predicted));
        let tooltip = format!("{from} predicted as {to}: {count} ({share})");
        let fill = Ink::Ramp(step);
        drawing.rect(Rect { x, y, width: w - 2.0, height: h - 2.0, fill, outline: None, tooltip });
        if self.size() <= MOST_WITH_TEXT {
            let (middle, ink) = (x + (w - 2.0) / 2.0, Ink::OnRamp);
            let y = y + (h - 2.0) / 2.0;
            drawing
                .label(Label::new(count, middle, y + 1.0, COUNT_SIZE, ink).bold().anchored(Anchor::Middle));
            drawing.label(Label::new(share, middle, y + 19.0, LABEL_SIZE, ink).anchored(Anchor::Middle));
        }
    }

    /// The width of a cell that holds every count and share, and a name of the given width.
    fn cell_width(&self, name_width: f64) -> f64 {
        let size = self.size();
        if size > MOST_WITH_TEXT {
            return 20.0;
        }
        let mut widest: f64 = 0.0;
        for truth in 0..size {
            for predicted in 0..size {
                let (count, share) = self.texts(truth, predicted);
                widest =
                    widest.max(reserved(&count, COUNT_SIZE, true)).max(reserved(&share, LABEL_SIZE, false));
            }
        }
        let wanted = if size <= 3 { 132.0 } else { 76.0 };
        (widest + 20.0).max(name_width + 12.0).max(wanted)
    }
}

impl Plot for ConfusionMatrix {
    fn drawing(&self) -> Drawing {
        let size = self.size();
        let names: Vec<Vec<String>> =
            (0..size).map(|i| wrap(&self.class_name(i), LABEL_SIZE, false, WIDEST_NAME)).collect();
        let lines_width = |lines: &Vec<String>| {
            lines.iter().map(|line| reserved(line, LABEL_SIZE, false)).fold(0.0, f64::max)
        };
        let name_width = names.iter().map(lines_width).fold(0.0, f64::max);
        // A column is wide enough for most names; a longer name is broken into lines.
        let cell_width = self.cell_width(name_width.min(WIDEST_COLUMN_NAME));
        let cell_height = if size > MOST_WITH_TEXT { 20.0 } else { (cell_width * 0.62).clamp(58.0, 84.0) };
        // Names above narrow columns are turned to read upwards.
        let turned = size > MOST_WITH_TEXT || name_width > (cell_width - 8.0).max(WIDEST_NAME);
        let column_names: Vec<Vec<String>> = (0..size)
            .map(|i| {
                let limit = if turned { f64::INFINITY } else { cell_width - 8.0 };
                wrap(&self.class_name(i), LABEL_SIZE, false, limit)
            })
            .collect();
        let most_lines = names.iter().map(Vec::len).max().unwrap_or(1) as f64;
        let cell_height = cell_height.max(most_lines * LINE + 8.0);
        let left = MARGIN + 22.0 + name_width + 10.0;
        let width = (left + cell_width * size as f64 + MARGIN).max(LEAST_WIDTH);

        let description = described(&self.description, || self.words());
        let (mut drawing, y) = begin(width, &self.title, &self.subtitle, "Confusion matrix", description);
        if size == 0 {
            return nothing_to_show(drawing, y);
        }
        let y = y + 14.0;
        drawing.label(Label::new("predicted class", left, y, SMALL_SIZE, Ink::Muted));
        let head = if turned {
            column_names.iter().map(lines_width).fold(0.0, f64::max) + 6.0
        } else {
            column_names.iter().map(Vec::len).max().unwrap_or(1) as f64 * LINE
        };
        let top = y + 10.0 + head;
        for (i, lines) in column_names.iter().enumerate() {
            let middle = left + (i as f64 + 0.5) * cell_width - 1.0;
            for (k, line) in lines.iter().enumerate() {
                let from_last = (lines.len() - 1 - k) as f64;
                let label =
                    Label::new(line.as_str(), middle, top - 8.0 - from_last * LINE, LABEL_SIZE, Ink::Text);
                if turned {
                    drawing.label(Label { x: middle + 4.0, y: top - 4.0, ..label }.turned());
                } else {
                    drawing.label(label.anchored(Anchor::Middle));
                }
            }
        }
        for (truth, lines) in names.iter().enumerate() {
            let y = top + truth as f64 * cell_height;
            let first = y + cell_height / 2.0 + 3.0 - (lines.len() - 1) as f64 * LINE / 2.0;
            for (k, line) in lines.iter().enumerate() {
                let at = first + k as f64 * LINE;
                let label = Label::new(line.as_str(), left - 10.0, at, LABEL_SIZE, Ink::Text);
                drawing.label(label.anchored(Anchor::End));
            }
            for predicted in 0..size {
                let x = left + predicted as f64 * cell_width;
                self.cell(&mut drawing, (truth, predicted), (x, y, cell_width, cell_height));
            }
        }
        let bottom = top + cell_height * size as f64;
        let side = Label::new("true class", MARGIN + 10.0, (top + bottom) / 2.0, SMALL_SIZE, Ink::Muted);
        drawing.label(side.turned().anchored(Anchor::Middle));
        let note = match size {
            ..=MOST_WITH_TEXT => "Each cell: the count, and its share of the row (all of that true class).",
            _ => "The stronger the colour, the larger the share of the row. The table has the numbers.",
        };
        let mut y = bottom + 4.0;
        for line in wrap(note, SMALL_SIZE, false, width - 2.0 * MARGIN) {
            y += 15.0;
            drawing.label(Label::new(line, MARGIN, y, SMALL_SIZE, Ink::Muted));
        }
        drawing.height = y + MARGIN - 4.0;
        drawing
    }

    fn table(&self) -> Table {
        let size = self.size();
        let mut table = Table::new(&self.title).column("true class", Align::Left);
        for predicted in 0..size {
            table = table.column(format!("predicted {}", self.class_name(predicted)), Align::Right);
        }
        for truth in 0..size {
            let cell = |predicted| {
                let (count, share) = self.texts(truth, predicted);
                format!("{count} ({share})")
            };
            let mut row = vec![self.class_name(truth)];
            row.extend((0..size).map(cell));
            table.rows.push(row);
        }
        table
    }
}
