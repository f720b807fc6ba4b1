//! What every plot has: a drawing, a table of its numbers, a heading and a legend.

use crate::drawing::{Drawing, Label, Rect, Stroke};
use crate::font::{reserved, wrap};
use crate::table::Table;
use crate::theme::{Ink, Theme};

/// Free space at the left and right edges.
pub(crate) const MARGIN: f64 = 20.0;
/// The size of names and values.
pub(crate) const LABEL_SIZE: f64 = 12.0;
/// The size of tick labels and notes.
pub(crate) const SMALL_SIZE: f64 = 11.0;

const TITLE_SIZE: f64 = 16.0;
const SUBTITLE_SIZE: f64 = 12.5;

/// Data that can be drawn, and read as a table.
pub trait Plot {
    /// The plot, laid out.
    fn drawing(&self) -> Drawing;

    /// The numbers of the plot.
    fn table(&self) -> Table;

    /// The plot as one SVG document.
    fn to_svg(&self, theme: Theme) -> String {
        self.drawing().to_svg(theme)
    }
}

/// A drawing with its title and subtitle, and the y at which the rest begins.
pub(crate) fn begin(
    width: f64,
    title: &str,
    subtitle: &str,
    fallback: &str,
    description: String,
) -> (Drawing, f64) {
    let accessible = if title.trim().is_empty() { fallback } else { title };
    let mut drawing = Drawing::new(width, accessible, description);
    let inner = width - 2.0 * MARGIN;
    let mut y = MARGIN - 4.0;
    if !title.trim().is_empty() {
        for line in wrap(title, TITLE_SIZE, true, inner) {
            y += 20.0;
            drawing.label(Label::new(line, MARGIN, y, TITLE_SIZE, Ink::Text).bold());
        }
    }
    if !subtitle.trim().is_empty() {
        y += 3.0;
        for line in wrap(subtitle, SUBTITLE_SIZE, false, inner) {
            y += 17.0;
            drawing.label(Label::new(line, MARGIN, y, SUBTITLE_SIZE, Ink::Muted));
        }
    }
    (drawing, y + 14.0)
}

/// Swatches with names in lines from `top` down; the y below them. Nothing if there are no entries.
pub(crate) fn legend(drawing: &mut Drawing, entries: &[(Ink, String)], top: f64) -> f64 {
    const SWATCH: f64 = 11.0;
    const INDENT: f64 = SWATCH + 6.0;
    if entries.is_empty() {
        return top;
    }
    let right = drawing.width - MARGIN;
    let (mut x, mut y) = (MARGIN, top + 10.0);
    for (ink, name) in entries {
        let lines = wrap(name, LABEL_SIZE, false, right - MARGIN - INDENT);
        let widest = lines.iter().map(|l| reserved(l, LABEL_SIZE, false)).fold(0.0, f64::max);
        if x > MARGIN && x + INDENT + widest > right {
            x = MARGIN;
            y += 18.0;
        }
        drawing.rect(Rect {
            x,
            y: y - 10.0,
            width: SWATCH,
            height: SWATCH,
            fill: *ink,
            outline: None,
            tooltip: String::new(),
        });
        let last = lines.len() - 1;
        for (i, line) in lines.into_iter().enumerate() {
            drawing.label(Label::new(line, x + INDENT, y, LABEL_SIZE, Ink::Text));
            if i < last {
                y += 16.0;
            }
        }
        x += INDENT + widest + 18.0;
    }
    y + 14.0
}

/// A note in place of a plot that has nothing to show; ends the drawing.
pub(crate) fn nothing_to_show(mut drawing: Drawing, top: f64) -> Drawing {
    drawing.label(Label::new("no data", MARGIN, top + 22.0, LABEL_SIZE, Ink::Muted));
    drawing.height = top + 48.0;
    drawing
}

pub(crate) fn grid_stroke() -> Stroke {
    Stroke { ink: Ink::Grid, width: 1.0, dash: "" }
}

pub(crate) fn axis_stroke() -> Stroke {
    Stroke { ink: Ink::Axis, width: 1.0, dash: "" }
}

/// The description given, or else the words made from the data.
pub(crate) fn described(given: &str, made: impl FnOnce() -> String) -> String {
    if given.trim().is_empty() { made() } else { given.to_owned() }
}

/// The points of a line, less those nearer than a third of a unit to the one before; the last one stays.
pub(crate) fn thinned(points: impl Iterator<Item = (f64, f64)>) -> Vec<(f64, f64)> {
    const NEAR: f64 = 0.3;
    let mut kept: Vec<(f64, f64)> = Vec::new();
    let mut skipped = None;
    for (x, y) in points {
        let near = kept.last().is_some_and(|&(px, py)| (x - px).abs() < NEAR && (y - py).abs() < NEAR);
        if near {
            skipped = Some((x, y));
        } else {
            if !(x.is_finite() && y.is_finite()) {
                kept.extend(skipped);
            }
            skipped = None;
            kept.push((x, y));
        }
    }
    kept.extend(skipped);
    kept
}
