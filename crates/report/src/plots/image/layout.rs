//! Where the panels of an [`ImageAttributions`] stand.

use super::map::{Levels, levels};
use super::{ImageAttributions, ImagePanel, ImageRow, ImageView, Picture, Sign, paint};
use crate::drawing::{Anchor, Drawing, Frame, Image, Label};
use crate::font::wrap;
use crate::number::{MINUS, format_number, format_significant};
use crate::plot::{LABEL_SIZE, MARGIN, Plot, SMALL_SIZE, begin, described, nothing_to_show};
use crate::raster::Raster;
use crate::table::{Align, Table};
use crate::theme::Ink;

/// The widths of panels by how many stand side by side, and the most that do.
const WIDTHS: [f64; 4] = [420.0, 344.0, 284.0, 240.0];
const GAP: f64 = 18.0;
const TITLE_LINE: f64 = 17.0;
const LINE: f64 = 15.0;
const BAR: f64 = 9.0;
/// The tallest picture, in widths of its panel, and the lowest in units.
const TALLEST: f64 = 1.5;
const LOWEST: f64 = 6.0;

/// The size that a picture is shown in.
fn shown_size(picture: &Picture, width: f64) -> (f64, f64) {
    let aspect = picture.height as f64 / picture.width as f64;
    let height = (width * aspect).max(LOWEST);
    if height > width * TALLEST {
        ((width * TALLEST / aspect).max(LOWEST), width * TALLEST)
    } else {
        (width, height)
    }
}

impl ImagePanel {
    fn levels(&self) -> Option<Levels> {
        Some(levels(&self.map.as_ref()?.values, self.sign, self.outlier_percent))
    }

    fn has_bar(&self) -> bool {
        let coloured = matches!(self.view, ImageView::HeatMap | ImageView::Overlay | ImageView::Blended);
        self.map.is_some() && coloured
    }

    /// The numbers at the bar's left end, middle and right end. What is beyond has the colour of the end.
    fn bar_labels(&self, scale: f64) -> [String; 3] {
        if scale <= 0.0 {
            let none = if self.sign == Sign::All { "0 everywhere" } else { "none of this sign" };
            return [String::new(), none.to_owned(), String::new()];
        }
        let end = format_significant(scale, 2);
        match self.sign {
            Sign::All => [format!("≤ {MINUS}{end}"), "0".to_owned(), format!("≥ {end}")],
            Sign::Positive | Sign::AbsoluteValue => ["0".to_owned(), String::new(), format!("≥ {end}")],
            Sign::Negative => ["0".to_owned(), String::new(), format!("≤ {MINUS}{end}")],
        }
    }

    /// The panel's pixels in both themes.
    fn image(&self, picture: &Picture, levels: Option<&Levels>) -> Option<[(Raster, usize); 2]> {
        let map = self.map.as_ref().zip(levels);
        let painted = |dark| {
            let canvas = paint::paint(picture, self, map, dark);
            Some((Raster::new(canvas.width, canvas.height, &canvas.rgba)?, canvas.width))
        };
        let same = map.is_none() || self.view == ImageView::Original;
        let light = painted(false)?;
        let dark = if same { light.clone() } else { painted(true)? };
        Some([light, dark])
    }
}

impl ImageRow {
    /// Draws the panels from `top` down, so many side by side; the y below them.
    fn draw(&self, drawing: &mut Drawing, top: f64, columns: usize) -> f64 {
        let width = WIDTHS[columns - 1];
        let mut y = top;
        for line in self.panels.chunks(columns) {
            y = self.line(drawing, line, y, width) + GAP;
        }
        y - GAP
    }

    fn line(&self, drawing: &mut Drawing, panels: &[ImagePanel], top: f64, width: f64) -> f64 {
        let titles: Vec<Vec<String>> =
            panels.iter().map(|p| wrap(&p.title, LABEL_SIZE + 1.0, true, width)).collect();
        let title_lines = panels.iter().zip(&titles).filter(|(p, _)| !p.title.trim().is_empty());
        let head = title_lines.map(|(_, t)| t.len()).max().unwrap_or(0) as f64 * TITLE_LINE;
        let (w, h) = shown_size(&self.picture, width);
        let picture_top = top + head + if head > 0.0 { 5.0 } else { 0.0 };
        let with_bars = panels.iter().any(ImagePanel::has_bar);
        let text_top = picture_top + h + if with_bars { BAR + 30.0 } else { 6.0 };
        let mut bottom = text_top;
        for (i, (panel, title)) in panels.iter().zip(&titles).enumerate() {
            let left = MARGIN + i as f64 * (width + GAP);
            for (k, text) in title.iter().enumerate() {
                let y = top + 13.0 + k as f64 * TITLE_LINE;
                drawing.label(Label::new(text.as_str(), left, y, LABEL_SIZE + 1.0, Ink::Text).bold());
            }
            self.panel(drawing, panel, (left + (width - w) / 2.0, picture_top), (w, h));
            let mut y = text_top;
            for line in panel.lines.iter().filter(|l| !l.trim().is_empty()) {
                for text in wrap(line, SMALL_SIZE, false, width) {
                    y += LINE;
                    drawing.label(Label::new(text, left, y, SMALL_SIZE, Ink::Muted));
                }
            }
            bottom = bottom.max(y + 5.0);
        }
        bottom
    }

    fn panel(&self, drawing: &mut Drawing, panel: &ImagePanel, (x, y): (f64, f64), (w, h): (f64, f64)) {
        let levels = panel.levels();
        let Some([light, dark]) = panel.image(&self.picture, levels.as_ref()) else { return };
        let pixelated = (light.1 as f64) < 1.5 * w;
        let tooltip = panel.title.clone();
        drawing.image(Image { x, y, width: w, height: h, light: light.0, dark: dark.0, pixelated, tooltip });
        if let Some(map) = &panel.map {
            let (across, down) = (w / self.picture.width as f64, h / self.picture.height as f64);
            let side = |start: f64, length: f64, scale: f64, most: f64| {
                ((start * scale).clamp(0.0, most), ((start + length) * scale).clamp(0.0, most))
            };
            let (left, right) = side(map.region.left, map.region.width, across, w);
            let (above, below) = side(map.region.top, map.region.height, down, h);
            let whole = right - left > w - 0.5 && below - above > h - 0.5;
            if !whole {
                drawing.frame(Frame {
                    x: x + left,
                    y: y + above,
                    width: right - left,
                    height: below - above,
                });
            }
        }
        if panel.has_bar() {
            self.bar(drawing, panel, levels.map_or(0.0, |l| l.scale), (x, y + h + 7.0), w);
        }
    }

    fn bar(&self, drawing: &mut Drawing, panel: &ImagePanel, scale: f64, (x, y): (f64, f64), width: f64) {
        let made = |dark| {
            let canvas = paint::bar(panel, dark);
            Raster::new(canvas.width, canvas.height, &canvas.rgba)
        };
        let (Some(light), Some(dark)) = (made(false), made(true)) else { return };
        // Labels at both ends need room even below a narrow picture.
        let label_width = width.max(WIDTHS[WIDTHS.len() - 1]);
        let left = x - (label_width - width) / 2.0;
        let tooltip = String::new();
        drawing.image(Image {
            x: left,
            y,
            width: label_width,
            height: BAR,
            light,
            dark,
            pixelated: false,
            tooltip,
        });
        let places = [
            (left, Anchor::Start),
            (left + label_width / 2.0, Anchor::Middle),
            (left + label_width, Anchor::End),
        ];
        for (text, (x, anchor)) in panel.bar_labels(scale).into_iter().zip(places) {
            drawing.label(Label::new(text, x, y + BAR + 14.0, SMALL_SIZE, Ink::Muted).anchored(anchor));
        }
    }
}

impl ImageAttributions {
    fn words(&self) -> String {
        let first = self.rows.first();
        let panels: Vec<String> = first
            .map(|row| row.panels.iter().map(|p| p.title.clone()).filter(|t| !t.trim().is_empty()).collect())
            .unwrap_or_default();
        let pictures = match self.rows.len() {
            0 => return "A figure without pictures.".to_owned(),
            1 => "A picture".to_owned(),
            n => format!("{n} pictures"),
        };
        let mut words = format!("{pictures} with attributions to pixels: {}.", panels.join("; "));
        if self.rows.iter().flat_map(|r| &r.panels).any(ImagePanel::has_bar) {
            words.push_str(" Blue is towards the target, orange away from it, violet a magnitude.");
        }
        words
    }
}

impl Plot for ImageAttributions {
    fn drawing(&self) -> Drawing {
        let most = self.rows.iter().map(|r| r.panels.len()).max().unwrap_or(0);
        // Lines of about the same length: five panels are three and two.
        let columns = most.div_ceil(most.div_ceil(WIDTHS.len()).max(1)).clamp(1, WIDTHS.len());
        let width = 2.0 * MARGIN + columns as f64 * WIDTHS[columns - 1] + (columns - 1) as f64 * GAP;
        let description = described(&self.description, || self.words());
        let (mut drawing, mut y) =
            begin(width, &self.title, &self.subtitle, "Attributions to the pixels of a picture", description);
        if most == 0 {
            return nothing_to_show(drawing, y);
        }
        for (i, row) in self.rows.iter().enumerate() {
            y = row.draw(&mut drawing, if i == 0 { y } else { y + GAP }, columns);
        }
        if !self.note.trim().is_empty() {
            y += 6.0;
            for line in wrap(&self.note, SMALL_SIZE, false, width - 2.0 * MARGIN) {
                y += LINE;
                drawing.label(Label::new(line, MARGIN, y, SMALL_SIZE, Ink::Muted));
            }
        }
        drawing.height = y + MARGIN - 4.0;
        drawing
    }

    fn table(&self) -> Table {
        let mut table = Table::new(&self.title)
            .column("panel", Align::Left)
            .column("", Align::Left)
            .column("sum", Align::Right)
            .column("full colour", Align::Right);
        for panel in self.rows.iter().flat_map(|r| &r.panels) {
            let (sum, scale) = match (&panel.map, panel.levels()) {
                (Some(map), Some(levels)) => (format_number(map.sum()), format_number(levels.scale)),
                _ => (String::new(), String::new()),
            };
            table.rows.push(vec![panel.title.clone(), panel.lines.join("; "), sum, scale]);
        }
        table
    }
}
