//! ROC curves: the share of positives found against the share of negatives taken for one.

use crate::axis::ticks;
use crate::drawing::{Anchor, Drawing, Label, Stroke};
use crate::font::wrap;
use crate::number::{NOT_AVAILABLE, format_fixed, format_percent};
use crate::plot::{
    LABEL_SIZE, MARGIN, Plot, SMALL_SIZE, axis_stroke, begin, described, grid_stroke, thinned,
};
use crate::table::{Align, Table};
use crate::theme::Ink;

const WIDTH: f64 = 720.0;
const SIDE: f64 = 400.0;
/// The left edge of the square, right of the tick labels.
const LEFT: f64 = MARGIN + 54.0;
/// The left edge of the texts beside the square.
const BESIDE: f64 = LEFT + SIDE + 26.0;
const DASHES: [&str; 6] = ["", "7 3", "2 3", "9 3 2 3", "4 2", "1 2"];

/// One or more ROC curves with their areas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RocCurve {
    /// The heading.
    pub title: String,
    /// On which rows; may be empty.
    pub subtitle: String,
    /// What the picture shows in words; made from the data where empty.
    pub description: String,
    /// The curves.
    pub curves: Vec<RocSeries>,
}

/// One curve of a [`RocCurve`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RocSeries {
    /// The curve's name ("test"); may be empty.
    pub name: String,
    /// (false positive rate, true positive rate), in the order drawn.
    pub points: Vec<(f64, f64)>,
    /// The area under the curve.
    pub auc: Option<f64>,
    /// The threshold in use.
    pub threshold: Option<RocThreshold>,
}

/// A point of a curve at a chosen threshold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RocThreshold {
    /// The threshold as text ("probability 0.5").
    pub label: String,
    /// The false positive rate there.
    pub false_positive_rate: f64,
    /// The true positive rate there.
    pub true_positive_rate: f64,
}

impl RocSeries {
    fn auc_text(&self) -> String {
        let area = self.auc.map_or_else(|| NOT_AVAILABLE.to_owned(), |auc| format_fixed(auc, 3));
        format!("AUC {area}")
    }
}

impl RocThreshold {
    fn text(&self) -> String {
        let rate = |rate| format_percent(rate, 1);
        let (fpr, tpr) = (rate(self.false_positive_rate), rate(self.true_positive_rate));
        format!("{}: finds {tpr} of positives, takes {fpr} of negatives for one", self.label)
    }
}

impl RocCurve {
    fn words(&self) -> String {
        let curve = |c: &RocSeries| format!("{} {}", c.name, c.auc_text()).trim().to_owned();
        let curves: Vec<String> = self.curves.iter().take(10).map(curve).collect();
        match self.curves.len() {
            0 => "A ROC plot without data.".to_owned(),
            _ => format!("ROC curve: {}.", curves.join("; ")),
        }
    }

    /// The names beside the square; the y below them.
    fn key(&self, drawing: &mut Drawing, top: f64) -> f64 {
        let mut y = top + 6.0;
        let text_left = BESIDE + 32.0;
        let limit = WIDTH - MARGIN - text_left;
        for (i, curve) in self.curves.iter().enumerate() {
            drawing.line(&[(BESIDE, y + 2.0), (BESIDE + 24.0, y + 2.0)], stroke_of(i));
            let name = if curve.name.trim().is_empty() { curve.auc_text() } else { curve.name.clone() };
            for line in wrap(&name, LABEL_SIZE, true, limit) {
                drawing.label(Label::new(line, text_left, y + 6.0, LABEL_SIZE, Ink::Text).bold());
                y += 16.0;
            }
            if !curve.name.trim().is_empty() {
                drawing.label(Label::new(curve.auc_text(), text_left, y + 6.0, LABEL_SIZE, Ink::Text));
                y += 16.0;
            }
            if let Some(threshold) = &curve.threshold {
                drawing.dot(BESIDE + 12.0, y + 3.0, 4.5, Ink::Background, Ink::Series(i));
                for line in wrap(&threshold.text(), SMALL_SIZE, false, limit) {
                    drawing.label(Label::new(line, text_left, y + 6.0, SMALL_SIZE, Ink::Muted));
                    y += 15.0;
                }
            }
            y += 12.0;
        }
        drawing.line(&[(BESIDE, y + 2.0), (BESIDE + 24.0, y + 2.0)], chance_stroke());
        for line in wrap("chance: AUC 0.500", SMALL_SIZE, false, limit) {
            drawing.label(Label::new(line, text_left, y + 6.0, SMALL_SIZE, Ink::Muted));
            y += 15.0;
        }
        y
    }
}

fn stroke_of(index: usize) -> Stroke {
    Stroke { ink: Ink::Series(index), width: 2.25, dash: DASHES[index % DASHES.len()] }
}

fn chance_stroke() -> Stroke {
    Stroke { ink: Ink::Axis, width: 1.25, dash: "3 4" }
}

impl Plot for RocCurve {
    fn drawing(&self) -> Drawing {
        let description = described(&self.description, || self.words());
        let (mut drawing, y) = begin(WIDTH, &self.title, &self.subtitle, "ROC curve", description);
        let top = y + 4.0;
        let bottom = top + SIDE;
        let place = |fpr: f64, tpr: f64| {
            // Rates lie in [0, 1]; what does not would leave the square.
            let held = |rate: f64| if (-1e-9..=1.0 + 1e-9).contains(&rate) { rate } else { f64::NAN };
            (LEFT + held(fpr) * SIDE, bottom - held(tpr) * SIDE)
        };
        let marks = ticks(0.0, 1.0, 5);
        for (value, text) in marks.values.iter().zip(&marks.labels) {
            let (x, y) = place(*value, *value);
            drawing.line(&[(x, top), (x, bottom)], grid_stroke());
            drawing.line(&[(LEFT, y), (LEFT + SIDE, y)], grid_stroke());
            let label = Label::new(text.as_str(), x, bottom + 17.0, SMALL_SIZE, Ink::Muted);
            drawing.label(label.anchored(Anchor::Middle));
            let label = Label::new(text.as_str(), LEFT - 8.0, y + 4.0, SMALL_SIZE, Ink::Muted);
            drawing.label(label.anchored(Anchor::End));
        }
        drawing.line(&[(LEFT, bottom), (LEFT + SIDE, bottom)], axis_stroke());
        drawing.line(&[(LEFT, top), (LEFT, bottom)], axis_stroke());
        drawing.line(&[place(0.0, 0.0), place(1.0, 1.0)], chance_stroke());
        for (i, curve) in self.curves.iter().enumerate() {
            let points = thinned(curve.points.iter().map(|(fpr, tpr)| place(*fpr, *tpr)));
            drawing.line(&points, stroke_of(i));
        }
        for (i, curve) in self.curves.iter().enumerate() {
            if let Some(threshold) = &curve.threshold {
                let (x, y) = place(threshold.false_positive_rate, threshold.true_positive_rate);
                drawing.dot(x, y, 5.5, Ink::Background, Ink::Series(i));
            }
        }
        let below = "false positive rate: share of negatives taken for positives";
        let label = Label::new(below, LEFT + SIDE / 2.0, bottom + 38.0, SMALL_SIZE, Ink::Muted);
        drawing.label(label.anchored(Anchor::Middle));
        let beside = "true positive rate: share of positives found";
        let label = Label::new(beside, MARGIN + 10.0, (top + bottom) / 2.0, SMALL_SIZE, Ink::Muted);
        drawing.label(label.turned().anchored(Anchor::Middle));
        let key_bottom = self.key(&mut drawing, top);
        drawing.height = (bottom + 38.0).max(key_bottom) + MARGIN - 2.0;
        drawing
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&self.title)
            .column("curve", Align::Left)
            .column("AUC", Align::Right)
            .column("threshold", Align::Left)
            .column("true positive rate", Align::Right)
            .column("false positive rate", Align::Right);
        for curve in &self.curves {
            let area = curve.auc.map_or_else(|| NOT_AVAILABLE.to_owned(), |auc| format_fixed(auc, 4));
            let mut row = vec![curve.name.clone(), area];
            if let Some(threshold) = &curve.threshold {
                row.push(threshold.label.clone());
                row.push(format_fixed(threshold.true_positive_rate, 4));
                row.push(format_fixed(threshold.false_positive_rate, 4));
            }
            table.rows.push(row);
        }
        table
    }
}
