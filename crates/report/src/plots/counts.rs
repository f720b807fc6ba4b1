//! Counts of the values of a categorical column, split into classes or not.

use crate::axis::ticks;
use crate::drawing::{Anchor, Drawing, Label, Rect};
use crate::font::{reserved, wrap};
use crate::number::{format_count, format_total};
use crate::plot::{
    LABEL_SIZE, MARGIN, Plot, SMALL_SIZE, axis_stroke, begin, described, grid_stroke, legend, nothing_to_show,
};
use crate::table::{Align, Table};
use crate::theme::Ink;

const WIDTH: f64 = 720.0;
const UPRIGHT_HEIGHT: f64 = 240.0;
const WIDEST_NAME: f64 = 260.0;
const ROW: f64 = 26.0;
const LINE: f64 = 14.5;

/// A bar chart of how often each category occurs; stacked where there are classes.
///
/// Bars stand upright where the names fit below them, and lie otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CategoryCounts {
    /// The heading.
    pub title: String,
    /// What was counted; may be empty.
    pub subtitle: String,
    /// What the picture shows in words; made from the data where empty.
    pub description: String,
    /// What is counted ("clients"); may be empty.
    pub axis: String,
    /// The names of the classes that each bar is split into; empty for plain counts.
    pub classes: Vec<String>,
    /// The categories, in the order shown.
    pub categories: Vec<Category>,
}

/// One category of a [`CategoryCounts`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Category {
    /// The category's name; never shortened.
    pub name: String,
    /// Its count, or its count in each class.
    pub counts: Vec<u64>,
}

impl Category {
    fn total(&self) -> u128 {
        self.counts.iter().map(|count| u128::from(*count)).sum()
    }

    fn total_text(&self) -> String {
        format_total(self.total())
    }
}

impl CategoryCounts {
    fn largest(&self) -> u128 {
        self.categories.iter().map(Category::total).max().unwrap_or(0)
    }

    fn class_name(&self, index: usize) -> String {
        self.classes.get(index).cloned().unwrap_or_else(|| format!("class {}", index + 1))
    }

    /// How many classes there are: those named, and any more that have counts.
    fn class_count(&self) -> usize {
        self.categories.iter().map(|c| c.counts.len()).chain([self.classes.len(), 1]).max().unwrap_or(1)
    }

    fn words(&self) -> String {
        let most = self.categories.iter().max_by_key(|category| category.total());
        let what = if self.axis.trim().is_empty() { "rows" } else { &self.axis };
        match most {
            Some(most) => format!(
                "A bar for each of {} categories; the most {what}, {}, are in {}.",
                self.categories.len(),
                most.total_text(),
                most.name
            ),
            None => "A bar chart without data.".to_owned(),
        }
    }

    fn slot(&self) -> f64 {
        let left = MARGIN + reserved(&format_total(self.largest()), SMALL_SIZE, false) + 8.0;
        (WIDTH - MARGIN - left) / self.categories.len().max(1) as f64
    }

    fn stands_upright(&self) -> bool {
        let slot = self.slot();
        let fits = |text: &str| reserved(text, LABEL_SIZE, false) <= slot - 4.0;
        self.categories.iter().all(|c| fits(&c.name) && fits(&c.total_text()))
    }

    fn tooltip(&self, category: &Category, class: usize) -> String {
        let count = format_count(category.counts[class]);
        match self.class_count() {
            1 => format!("{}: {count}", category.name),
            _ => format!("{}, {}: {count}", category.name, self.class_name(class)),
        }
    }

    /// The parts of one bar along a length: start, extent, class.
    fn parts(&self, category: &Category, unit: f64) -> Vec<(f64, f64, usize)> {
        let mut start = 0.0;
        let mut parts = Vec::new();
        for (class, count) in category.counts.iter().enumerate() {
            let extent = *count as f64 * unit;
            if *count > 0 {
                parts.push((start, extent.max(0.5), class));
            }
            start += extent;
        }
        parts
    }

    fn upright(&self, drawing: &mut Drawing, top: f64) {
        let top = self.axis_name(drawing, top) + 18.0;
        let bottom = top + UPRIGHT_HEIGHT;
        let left = WIDTH - MARGIN - self.slot() * self.categories.len() as f64;
        let unit = UPRIGHT_HEIGHT / self.largest().max(1) as f64;
        let marks = ticks(0.0, self.largest() as f64, 5);
        for (value, text) in marks.values.iter().zip(&marks.labels).filter(|(v, _)| v.fract() == 0.0) {
            let y = bottom - value * unit;
            drawing.line(&[(left, y), (WIDTH - MARGIN, y)], grid_stroke());
            let label = Label::new(text.as_str(), left - 8.0, y + 4.0, SMALL_SIZE, Ink::Muted);
            drawing.label(label.anchored(Anchor::End));
        }
        let slot = self.slot();
        let width = (slot * 0.72).min(64.0);
        for (i, category) in self.categories.iter().enumerate() {
            let middle = left + (i as f64 + 0.5) * slot;
            for (start, extent, class) in self.parts(category, unit) {
                drawing.rect(Rect {
                    x: middle - width / 2.0,
                    y: bottom - start - extent,
                    width,
                    height: extent,
                    fill: Ink::Series(class),
                    outline: None,
                    tooltip: self.tooltip(category, class),
                });
            }
            let above = bottom - category.total() as f64 * unit - 5.0;
            let total = Label::new(category.total_text(), middle, above, LABEL_SIZE, Ink::Text);
            drawing.label(total.anchored(Anchor::Middle).with_halo());
            let name = Label::new(category.name.as_str(), middle, bottom + 17.0, LABEL_SIZE, Ink::Text);
            drawing.label(name.anchored(Anchor::Middle));
        }
        drawing.line(&[(left, bottom), (WIDTH - MARGIN, bottom)], axis_stroke());
        drawing.height = bottom + 36.0;
    }

    fn lying(&self, drawing: &mut Drawing, top: f64) {
        let top = self.axis_name(drawing, top) + 8.0;
        let names: Vec<Vec<String>> =
            self.categories.iter().map(|c| wrap(&c.name, LABEL_SIZE, false, WIDEST_NAME)).collect();
        let name_width =
            names.iter().flatten().map(|line| reserved(line, LABEL_SIZE, false)).fold(0.0, f64::max);
        let left = MARGIN + name_width + 10.0;
        let total_width = reserved(&format_total(self.largest()), LABEL_SIZE, false);
        let unit = (WIDTH - MARGIN - total_width - 8.0 - left) / self.largest().max(1) as f64;
        let mut y = top;
        for (category, lines) in self.categories.iter().zip(&names) {
            let height = ROW + (lines.len() - 1) as f64 * LINE;
            let middle = y + height / 2.0;
            for (start, extent, class) in self.parts(category, unit) {
                drawing.rect(Rect {
                    x: left + start,
                    y: middle - 9.0,
                    width: extent,
                    height: 18.0,
                    fill: Ink::Series(class),
                    outline: None,
                    tooltip: self.tooltip(category, class),
                });
            }
            let end = left + category.total() as f64 * unit + 6.0;
            let total = category.total_text();
            drawing.label(Label::new(total, end, middle + 4.2, LABEL_SIZE, Ink::Text));
            let first = middle + 4.2 - (lines.len() - 1) as f64 * LINE / 2.0;
            for (k, line) in lines.iter().enumerate() {
                let at = first + k as f64 * LINE;
                let label = Label::new(line.as_str(), left - 10.0, at, LABEL_SIZE, Ink::Text);
                drawing.label(label.anchored(Anchor::End));
            }
            y += height;
        }
        drawing.line(&[(left, top - 2.0), (left, y + 2.0)], axis_stroke());
        drawing.height = y + MARGIN;
    }

    fn axis_name(&self, drawing: &mut Drawing, top: f64) -> f64 {
        let mut y = top;
        if !self.axis.trim().is_empty() {
            for line in wrap(&self.axis, SMALL_SIZE, false, WIDTH - 2.0 * MARGIN) {
                y += 14.0;
                drawing.label(Label::new(line, MARGIN, y, SMALL_SIZE, Ink::Muted));
            }
        }
        y
    }
}

impl Plot for CategoryCounts {
    fn drawing(&self) -> Drawing {
        let description = described(&self.description, || self.words());
        let (mut drawing, y) = begin(WIDTH, &self.title, &self.subtitle, "Bar chart of counts", description);
        if self.categories.is_empty() {
            return nothing_to_show(drawing, y);
        }
        let classes = self.class_count();
        let entry = |class| (Ink::Series(class), self.class_name(class));
        let entries: Vec<_> = if classes > 1 { (0..classes).map(entry).collect() } else { Vec::new() };
        let y = legend(&mut drawing, &entries, y);
        if self.stands_upright() {
            self.upright(&mut drawing, y);
        } else {
            self.lying(&mut drawing, y);
        }
        drawing
    }

    fn table(&self) -> Table {
        let classes = self.class_count();
        let mut table = Table::new(&self.title).column("category", Align::Left);
        if classes > 1 {
            for class in 0..classes {
                table = table.column(self.class_name(class), Align::Right);
            }
            table = table.column("total", Align::Right);
        } else {
            table = table.column("count", Align::Right);
        }
        for category in &self.categories {
            let mut row = vec![category.name.clone()];
            if classes > 1 {
                let count = |class| format_count(category.counts.get(class).copied().unwrap_or(0));
                row.extend((0..classes).map(count));
            }
            row.push(category.total_text());
            table.rows.push(row);
        }
        table
    }
}
