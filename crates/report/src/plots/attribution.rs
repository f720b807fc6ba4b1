//! Attributions as horizontal bars: how much each feature moved the target, and in which direction.

use crate::axis::ticks;
use crate::drawing::{Anchor, Drawing, Label, Rect};
use crate::font::{reserved, wrap};
use crate::number::{NOT_AVAILABLE, format_number, format_signed, format_visible, shared_decimals};
use crate::plot::{
    LABEL_SIZE, MARGIN, Plot, SMALL_SIZE, axis_stroke, begin, described, grid_stroke, legend, nothing_to_show,
};
use crate::table::{Align, Table};
use crate::theme::Ink;

const WIDTH: f64 = 760.0;
const WIDEST_NAME: f64 = 300.0;
const LINE: f64 = 14.5;
/// Space between the names, the bars, and the texts at the bars' ends.
const GAP: f64 = 6.0;
/// A text is this far below the middle of its row.
const TO_BASELINE: f64 = 4.2;

/// A bar chart of attributions: summed over rows, their mean magnitude, or one row's with its values.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttributionBars {
    /// The heading.
    pub title: String,
    /// What was computed, on what; may be empty.
    pub subtitle: String,
    /// What the picture shows in words, for those who cannot see it; made from the data where empty.
    pub description: String,
    /// What a bar's length means, under the axis; may be empty.
    pub axis: String,
    /// The features.
    pub bars: Vec<AttributionBar>,
    /// The order of the bars from top to bottom.
    pub order: BarOrder,
    /// The most features shown, chosen by magnitude; the rest are summed in one bar at the end.
    pub top: Option<usize>,
    /// Whether the values have a direction.
    pub values: BarValues,
    /// What a bar to the right means, for the legend ("towards yes"); may be empty.
    pub positive: String,
    /// What a bar to the left means, for the legend ("towards no"); may be empty.
    pub negative: String,
}

/// One feature of an [`AttributionBars`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttributionBar {
    /// The feature's name; never shortened.
    pub name: String,
    /// The feature's own value as text, shown after its name (`balance = 1,787`).
    pub shown_value: Option<String>,
    /// The attribution; not finite is shown as missing.
    pub value: f64,
}

/// The order of bars.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BarOrder {
    /// The largest magnitude first; equal ones as given.
    #[default]
    Magnitude,
    /// As given.
    AsGiven,
}

/// What the lengths of bars are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BarValues {
    /// Numbers with a direction, in two colours and with a sign.
    #[default]
    Signed,
    /// Magnitudes, in one colour.
    Magnitude,
}

/// A bar as drawn: a feature, or the sum of the others.
struct Row {
    name: String,
    value: f64,
    is_rest: bool,
}

impl AttributionBars {
    /// The indices of the features in the order chosen.
    fn ordered(&self) -> Vec<usize> {
        let mut indices: Vec<usize> = (0..self.bars.len()).collect();
        if self.order == BarOrder::Magnitude {
            indices.sort_by(|a, b| self.magnitude(*b).total_cmp(&self.magnitude(*a)));
        }
        indices
    }

    /// The size of a bar, for ordering; what is not finite comes last.
    fn magnitude(&self, index: usize) -> f64 {
        let value = self.bars[index].value;
        if value.is_finite() { value.abs() } else { -1.0 }
    }

    fn rows(&self) -> Vec<Row> {
        let mut by_magnitude: Vec<usize> = (0..self.bars.len()).collect();
        by_magnitude.sort_by(|a, b| self.magnitude(*b).total_cmp(&self.magnitude(*a)));
        // The bar of the rest takes a row itself: a single feature left over is shown in its place.
        let shown = match self.top {
            Some(top) if self.bars.len() > top.saturating_add(1) => top,
            _ => self.bars.len(),
        };
        let mut is_shown = vec![false; self.bars.len()];
        by_magnitude[..shown].iter().for_each(|i| is_shown[*i] = true);
        let mut rows: Vec<Row> = self
            .ordered()
            .into_iter()
            .filter(|i| is_shown[*i])
            .map(|i| Row { name: self.bars[i].label(), value: self.bars[i].value, is_rest: false })
            .collect();
        let rest = &by_magnitude[shown..];
        if !rest.is_empty() {
            let finite: Vec<f64> =
                rest.iter().map(|i| self.bars[*i].value).filter(|value| value.is_finite()).collect();
            let missing = rest.len() - finite.len();
            let mut name = format!("sum of {} others", rest.len());
            if missing > 0 {
                name.push_str(&format!(" ({missing} {NOT_AVAILABLE})"));
            }
            let value = if finite.is_empty() { f64::NAN } else { finite.iter().sum() };
            rows.push(Row { name, value, is_rest: true });
        }
        rows
    }

    fn ink(&self, value: f64) -> Ink {
        match self.values {
            BarValues::Magnitude => Ink::Magnitude,
            BarValues::Signed if value < 0.0 => Ink::Negative,
            BarValues::Signed => Ink::Positive,
        }
    }

    fn legend_entries(&self) -> Vec<(Ink, String)> {
        let entries = [(Ink::Positive, &self.positive), (Ink::Negative, &self.negative)];
        let named = entries.into_iter().filter(|(_, name)| !name.trim().is_empty());
        match self.values {
            BarValues::Signed => named.map(|(ink, name)| (ink, name.clone())).collect(),
            BarValues::Magnitude => Vec::new(),
        }
    }

    fn words(&self, rows: &[Row]) -> String {
        let largest: Vec<String> = rows
            .iter()
            .filter(|row| !row.is_rest)
            .take(3)
            .map(|row| format!("{} {}", row.name, format_number(row.value)))
            .collect();
        let first = match self.order {
            BarOrder::Magnitude => "largest first",
            BarOrder::AsGiven => "in the order given",
        };
        match rows.len() {
            0 => "A bar chart without data.".to_owned(),
            _ => format!("A bar for each of {} features, {first}: {}.", self.bars.len(), largest.join("; ")),
        }
    }
}

impl AttributionBar {
    fn label(&self) -> String {
        match &self.shown_value {
            Some(value) => format!("{} = {value}", self.name),
            None => self.name.clone(),
        }
    }
}

/// Where zero is, and how long one unit, given the room for bars and for the texts at their ends.
struct Scale {
    zero: f64,
    /// The largest magnitude, by which values are divided before they are multiplied by a length.
    largest: f64,
    length: f64,
    least: f64,
    most: f64,
}

impl Scale {
    fn new(values: &[f64], texts: &[String], left: f64, right: f64) -> Self {
        let (mut least, mut most) = (0f64, 0f64);
        let (mut left_text, mut right_text) = (0f64, 0f64);
        for (value, text) in values.iter().zip(texts) {
            let width = reserved(text, LABEL_SIZE, false) + GAP;
            if value.is_finite() && *value < 0.0 {
                least = least.min(*value);
                left_text = left_text.max(width);
            } else {
                most = if value.is_finite() { most.max(*value) } else { most };
                right_text = right_text.max(width);
            }
        }
        let largest = most.max(-least);
        let room = (right - left - left_text - right_text).max(1.0);
        let (least_share, most_share) =
            if largest > 0.0 { (-least / largest, most / largest) } else { (0.0, 0.0) };
        let length = if largest > 0.0 { room / (least_share + most_share) } else { 0.0 };
        Self { zero: left + left_text + length * least_share, largest, length, least, most }
    }

    fn x(&self, value: f64) -> f64 {
        if self.largest > 0.0 { self.zero + value / self.largest * self.length } else { self.zero }
    }
}

impl Plot for AttributionBars {
    fn drawing(&self) -> Drawing {
        let rows = self.rows();
        let description = described(&self.description, || self.words(&rows));
        let (mut drawing, y) =
            begin(WIDTH, &self.title, &self.subtitle, "Bar chart of attributions", description);
        if rows.is_empty() {
            return nothing_to_show(drawing, y);
        }
        let entries = self.legend_entries();
        let y = legend(&mut drawing, &entries, y);

        let largest =
            rows.iter().map(|row| row.value.abs()).filter(|value| value.is_finite()).fold(0.0, f64::max);
        let decimals = shared_decimals(largest, 3);
        let text = |value: f64| match self.values {
            BarValues::Signed => format_signed(value, decimals),
            BarValues::Magnitude => format_visible(value, decimals),
        };
        let values: Vec<f64> = rows.iter().map(|row| row.value).collect();
        let texts: Vec<String> = values.iter().map(|value| text(*value)).collect();
        let names: Vec<Vec<String>> =
            rows.iter().map(|row| wrap(&row.name, LABEL_SIZE, false, WIDEST_NAME)).collect();
        let name_width =
            names.iter().flatten().map(|line| reserved(line, LABEL_SIZE, false)).fold(0.0, f64::max);
        let (left, right) = (MARGIN + name_width + GAP + 4.0, WIDTH - MARGIN);
        let scale = Scale::new(&values, &texts, left, right);

        let pitch = if rows.len() > 60 { 19.0 } else { 22.0 };
        let heights: Vec<f64> = names.iter().map(|lines| pitch + (lines.len() - 1) as f64 * LINE).collect();
        let rest_gap = if rows.last().is_some_and(|row| row.is_rest) { 8.0 } else { 0.0 };
        let bottom = y + heights.iter().sum::<f64>() + rest_gap;
        let bottom_of_plot = self.axis_marks(&mut drawing, &scale, y, bottom);

        let mut top = y;
        for (i, row) in rows.iter().enumerate() {
            top += if row.is_rest { rest_gap } else { 0.0 };
            let middle = top + heights[i] / 2.0;
            self.bar(&mut drawing, row, &texts[i], &scale, (middle, pitch - 7.0));
            let first = middle + TO_BASELINE - (names[i].len() - 1) as f64 * LINE / 2.0;
            for (k, line) in names[i].iter().enumerate() {
                let ink = if row.is_rest { Ink::Muted } else { Ink::Text };
                let label =
                    Label::new(line.as_str(), left - GAP - 4.0, first + k as f64 * LINE, LABEL_SIZE, ink);
                drawing.label(label.anchored(Anchor::End));
            }
            top += heights[i];
        }
        drawing.line(&[(scale.zero, y - 2.0), (scale.zero, bottom + 2.0)], axis_stroke());
        drawing.height = bottom_of_plot + MARGIN - 6.0;
        drawing
    }

    fn table(&self) -> Table {
        let with_values = self.bars.iter().any(|bar| bar.shown_value.is_some());
        let header = match self.values {
            BarValues::Signed => "attribution",
            BarValues::Magnitude => "magnitude",
        };
        let mut table = Table::new(&self.title).column("feature", Align::Left);
        if with_values {
            table = table.column("value", Align::Right);
        }
        table = table.column(header, Align::Right);
        for i in self.ordered() {
            let bar = &self.bars[i];
            let mut row = vec![bar.name.clone()];
            if with_values {
                row.push(bar.shown_value.clone().unwrap_or_default());
            }
            row.push(format_number(bar.value));
            table.rows.push(row);
        }
        table
    }
}

impl AttributionBars {
    /// The bar around `middle`, and its text at its end.
    fn bar(&self, drawing: &mut Drawing, row: &Row, text: &str, scale: &Scale, (middle, height): (f64, f64)) {
        let end = if row.value.is_finite() { scale.x(row.value) } else { scale.zero };
        let ink = self.ink(row.value);
        let (fill, outline) = if row.is_rest { (Ink::Background, Some(ink)) } else { (ink, None) };
        // A bar too short to see, but not zero, still shows a line of its colour.
        let width =
            (end - scale.zero).abs().max(if row.value.is_finite() && row.value != 0.0 { 1.0 } else { 0.0 });
        let x = if row.value < 0.0 { scale.zero - width } else { scale.zero };
        let tooltip = format!("{}: {}", row.name, format_number(row.value));
        if width > 0.0 {
            drawing.rect(Rect { x, y: middle - height / 2.0, width, height, fill, outline, tooltip });
        }
        let is_left = row.value.is_finite() && row.value < 0.0;
        let (x, anchor) = if is_left { (end - GAP, Anchor::End) } else { (end + GAP, Anchor::Start) };
        let ink = if row.value.is_finite() { Ink::Text } else { Ink::Muted };
        let label = Label::new(text, x, middle + TO_BASELINE, LABEL_SIZE, ink);
        drawing.label(label.anchored(anchor).with_halo());
    }

    /// Grid lines, tick labels below, and the name of the axis; the y below them.
    fn axis_marks(&self, drawing: &mut Drawing, scale: &Scale, top: f64, bottom: f64) -> f64 {
        let ticks = ticks(scale.least, scale.most, 8);
        let widest = ticks.labels.iter().map(|l| reserved(l, SMALL_SIZE, false)).fold(0.0, f64::max);
        let spacing = match ticks.values.as_slice() {
            [a, b, ..] => scale.x(*b) - scale.x(*a),
            _ => f64::INFINITY,
        };
        // Where labels would touch, only every second or third is written, counted from zero.
        let every = ((widest + 10.0) / spacing.max(1.0)).ceil().max(1.0);
        let step = ticks.values.get(1).zip(ticks.values.first()).map_or(1.0, |(b, a)| b - a);
        for (value, text) in ticks.values.iter().zip(&ticks.labels) {
            let x = scale.x(*value);
            drawing.line(&[(x, top - 2.0), (x, bottom + 2.0)], grid_stroke());
            let fits = x - widest / 2.0 >= 2.0 && x + widest / 2.0 <= WIDTH - 2.0;
            if fits && (value / step).round() % every == 0.0 {
                let label = Label::new(text.as_str(), x, bottom + 17.0, SMALL_SIZE, Ink::Muted);
                drawing.label(label.anchored(Anchor::Middle));
            }
        }
        let mut y = bottom + if ticks.values.is_empty() { 4.0 } else { 22.0 };
        if !self.axis.trim().is_empty() {
            for line in wrap(&self.axis, SMALL_SIZE, false, WIDTH - 2.0 * MARGIN) {
                y += 15.0;
                let label = Label::new(line, WIDTH - MARGIN, y, SMALL_SIZE, Ink::Muted);
                drawing.label(label.anchored(Anchor::End));
            }
        }
        y
    }
}
