//! Loss curves: how training went, epoch by epoch.

use crate::axis::{padded_range, ticks};
use crate::drawing::{Anchor, Drawing, Label, Stroke};
use crate::font::{reserved, wrap};
use crate::number::{NOT_AVAILABLE, format_number, format_significant};
use crate::plot::{
    LABEL_SIZE, MARGIN, Plot, SMALL_SIZE, axis_stroke, begin, described, grid_stroke, nothing_to_show,
    thinned,
};
use crate::table::{Align, Table};
use crate::theme::Ink;

const WIDTH: f64 = 720.0;
const PANEL: f64 = 220.0;
const WIDEST_NAME: f64 = 150.0;
const LINE: f64 = 15.0;
const DASHES: [&str; 6] = ["", "6 3", "2 3", "9 3 2 3", "4 2", "1 2"];

/// Numbers per epoch in one or more panels above each other, over the same epochs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossCurve {
    /// The heading.
    pub title: String,
    /// What was trained; may be empty.
    pub subtitle: String,
    /// What the picture shows in words; made from the data where empty.
    pub description: String,
    /// The panels: first the loss, then any other metric.
    pub panels: Vec<CurvePanel>,
    /// The best epoch, counted from 1.
    pub best_epoch: Option<usize>,
}

/// One panel of a [`LossCurve`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CurvePanel {
    /// What is measured ("binary cross-entropy").
    pub label: String,
    /// The curves.
    pub series: Vec<CurveSeries>,
}

/// One curve of a [`CurvePanel`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CurveSeries {
    /// The curve's name ("train").
    pub name: String,
    /// One number per epoch; one that is not finite interrupts the curve.
    pub values: Vec<f64>,
}

/// The text at the right end of a curve, before it is moved clear of its neighbours.
struct EndLabel {
    lines: Vec<String>,
    y: f64,
    series: usize,
}

impl CurveSeries {
    fn last(&self) -> Option<(usize, f64)> {
        self.values.iter().copied().enumerate().rev().find(|(_, value)| value.is_finite())
    }
}

impl LossCurve {
    fn epochs(&self) -> usize {
        self.panels.iter().flat_map(|panel| &panel.series).map(|s| s.values.len()).max().unwrap_or(0)
    }

    /// The index of a series among the names of all panels, so that a name keeps its colour.
    fn color_of(&self, name: &str) -> usize {
        let mut names: Vec<&str> = Vec::new();
        for series in self.panels.iter().flat_map(|panel| &panel.series) {
            if !names.contains(&series.name.as_str()) {
                names.push(&series.name);
            }
        }
        names.iter().position(|n| *n == name).unwrap_or(0)
    }

    fn words(&self) -> String {
        let mut parts = Vec::new();
        for panel in &self.panels {
            for series in &panel.series {
                let last = series.last().map_or_else(|| NOT_AVAILABLE.to_owned(), |(_, v)| format_number(v));
                parts.push(format!("{} {} ends at {last}", series.name, panel.label));
            }
        }
        let best = match self.best_epoch {
            Some(epoch) => format!(" The best epoch is {epoch}."),
            None => String::new(),
        };
        format!("Curves over {} epochs: {}.{best}", self.epochs(), parts.join("; "))
    }

    fn name_width(&self) -> f64 {
        let series = self.panels.iter().flat_map(|panel| &panel.series);
        let lines = series.flat_map(end_lines);
        lines.map(|line| reserved(&line, LABEL_SIZE, false)).fold(40.0, f64::max)
    }

    /// One panel; the y below it.
    fn panel(&self, drawing: &mut Drawing, panel: &CurvePanel, frame: &Frame, top: f64) -> f64 {
        let mut y = top;
        for line in wrap(&panel.label, SMALL_SIZE, false, WIDTH - 2.0 * MARGIN) {
            y += 14.0;
            drawing.label(Label::new(line, MARGIN, y, SMALL_SIZE, Ink::Muted));
        }
        let (top, bottom) = (y + 22.0, y + 22.0 + PANEL);
        let values = panel.series.iter().flat_map(|series| series.values.iter().copied());
        let Some((low, high)) = padded_range(values) else {
            let label = Label::new("no finite values", frame.left, top + 20.0, LABEL_SIZE, Ink::Muted);
            drawing.label(label);
            return top + 40.0;
        };
        let scale = high.abs().max(low.abs());
        let share = |value: f64| (value / scale - low / scale) / (high / scale - low / scale);
        let place = |value: f64| bottom - share(value) * PANEL;
        let marks = ticks(low, high, 5);
        for (value, text) in marks.values.iter().zip(&marks.labels) {
            let y = place(*value);
            drawing.line(&[(frame.left, y), (frame.right, y)], grid_stroke());
            let label = Label::new(text.as_str(), frame.left - 8.0, y + 4.0, SMALL_SIZE, Ink::Muted);
            drawing.label(label.anchored(Anchor::End));
        }
        drawing.line(&[(frame.left, bottom), (frame.right, bottom)], axis_stroke());
        self.epoch_labels(drawing, frame, bottom);
        self.best(drawing, frame, top, bottom);

        let mut ends = Vec::new();
        for series in &panel.series {
            let index = self.color_of(&series.name);
            let points = series.values.iter().enumerate().map(|(i, v)| (frame.x(i + 1), place(*v)));
            let points = thinned(points);
            let stroke = Stroke { ink: Ink::Series(index), width: 2.25, dash: DASHES[index % DASHES.len()] };
            drawing.line(&points, stroke);
            if let Some((epoch, value)) = series.last() {
                drawing.dot(frame.x(epoch + 1), place(value), 2.5, Ink::Series(index), Ink::Series(index));
                ends.push(EndLabel { lines: end_lines(series), y: place(value), series: index });
            }
        }
        let lowest = end_labels(drawing, ends, frame.right + 10.0, top);
        (bottom + 36.0).max(lowest)
    }

    fn epoch_labels(&self, drawing: &mut Drawing, frame: &Frame, bottom: f64) {
        let marks = ticks(1.0, frame.epochs as f64, 8);
        let whole = marks.values.iter().zip(&marks.labels).filter(|(value, _)| value.fract() == 0.0);
        let mut labels: Vec<(usize, String)> = whole.map(|(v, text)| (*v as usize, text.clone())).collect();
        if labels.first().is_none_or(|(first, _)| frame.x(*first) - frame.x(1) > 30.0) {
            labels.insert(0, (1, "1".to_owned()));
        }
        for (epoch, text) in labels {
            let x = frame.x(epoch);
            drawing.line(&[(x, bottom), (x, bottom + 4.0)], axis_stroke());
            let label = Label::new(text, x, bottom + 17.0, SMALL_SIZE, Ink::Muted);
            drawing.label(label.anchored(Anchor::Middle));
        }
        let label = Label::new("epoch", frame.right, bottom + 33.0, SMALL_SIZE, Ink::Muted);
        drawing.label(label.anchored(Anchor::End));
    }

    fn best(&self, drawing: &mut Drawing, frame: &Frame, top: f64, bottom: f64) {
        let Some(epoch) = self.best_epoch.filter(|epoch| (1..=frame.epochs).contains(epoch)) else { return };
        let x = frame.x(epoch);
        drawing.line(&[(x, top), (x, bottom)], Stroke { ink: Ink::Axis, width: 1.25, dash: "4 3" });
        let text = format!("best epoch {epoch}");
        let half = reserved(&text, SMALL_SIZE, false) / 2.0;
        let x = x.clamp(MARGIN + half, WIDTH - MARGIN - half);
        let label = Label::new(text, x, top - 5.0, SMALL_SIZE, Ink::Text);
        drawing.label(label.anchored(Anchor::Middle));
    }
}

/// The horizontal extent of every panel.
struct Frame {
    left: f64,
    right: f64,
    epochs: usize,
}

impl Frame {
    fn x(&self, epoch: usize) -> f64 {
        let share = if self.epochs > 1 { (epoch as f64 - 1.0) / (self.epochs as f64 - 1.0) } else { 0.5 };
        self.left + share * (self.right - self.left)
    }
}

fn end_lines(series: &CurveSeries) -> Vec<String> {
    let last = series.last().map_or_else(|| NOT_AVAILABLE.to_owned(), |(_, v)| format_significant(v, 3));
    wrap(&format!("{} {last}", series.name), LABEL_SIZE, false, WIDEST_NAME)
}

/// The texts at the curves' ends, moved apart; the y below the lowest.
fn end_labels(drawing: &mut Drawing, mut ends: Vec<EndLabel>, x: f64, top: f64) -> f64 {
    ends.sort_by(|a, b| a.y.total_cmp(&b.y));
    let mut free_from = top - 12.0;
    for end in ends {
        let height = end.lines.len() as f64 * LINE;
        let start = (end.y - height / 2.0).max(free_from);
        for (k, line) in end.lines.into_iter().enumerate() {
            let y = start + k as f64 * LINE + 11.5;
            drawing.label(Label::new(line, x, y, LABEL_SIZE, Ink::Series(end.series)));
        }
        free_from = start + height + 2.0;
    }
    free_from
}

impl Plot for LossCurve {
    fn drawing(&self) -> Drawing {
        let description = described(&self.description, || self.words());
        let (mut drawing, mut y) = begin(WIDTH, &self.title, &self.subtitle, "Loss curve", description);
        let epochs = self.epochs();
        if epochs == 0 {
            return nothing_to_show(drawing, y);
        }
        let values = |panel: &CurvePanel| -> Vec<f64> {
            panel.series.iter().flat_map(|series| series.values.iter().copied()).collect()
        };
        let tick_width = self
            .panels
            .iter()
            .filter_map(|panel| padded_range(values(panel).into_iter()))
            .flat_map(|(low, high)| ticks(low, high, 5).labels)
            .map(|label| reserved(&label, SMALL_SIZE, false))
            .fold(0.0, f64::max);
        let left = MARGIN + tick_width + 8.0;
        let frame = Frame { left, right: WIDTH - MARGIN - self.name_width() - 10.0, epochs };
        for panel in &self.panels {
            y = self.panel(&mut drawing, panel, &frame, y) + 10.0;
        }
        drawing.height = y + MARGIN - 14.0;
        drawing
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&self.title).column("epoch", Align::Right);
        let all: Vec<(&CurvePanel, &CurveSeries)> =
            self.panels.iter().flat_map(|panel| panel.series.iter().map(move |s| (panel, s))).collect();
        for (panel, series) in &all {
            table = table.column(format!("{} {}", series.name, panel.label), Align::Right);
        }
        for epoch in 0..self.epochs() {
            let cell = |(_, series): &(&CurvePanel, &CurveSeries)| {
                series.values.get(epoch).map_or(String::new(), |value| format_number(*value))
            };
            let mut row = vec![(epoch + 1).to_string()];
            row.extend(all.iter().map(cell));
            table.rows.push(row);
        }
        table
    }
}
