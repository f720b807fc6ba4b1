//! A drawing: marks on a canvas, written as SVG text.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::escape::xml;
use crate::font;
use crate::raster::Raster;
use crate::theme::{Ink, Theme};

/// The fonts that SVG text asks for; all are narrower than the widths that layout keeps free.
const FONT_FAMILY: &str =
    "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

/// The distance from a text's baseline up to its highest letters, as a share of its size.
const ASCENT: f64 = 0.97;
/// The distance from a text's baseline down to its lowest letters, as a share of its size.
const DESCENT: f64 = 0.25;

/// A finished plot, not yet in any colours.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) title: String,
    pub(crate) description: String,
    marks: Vec<Mark>,
}

/// A text of a drawing and the box that it may fill, for checks of a layout.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelBox {
    /// The text.
    pub text: String,
    /// The left edge.
    pub left: f64,
    /// The top edge.
    pub top: f64,
    /// The right edge.
    pub right: f64,
    /// The bottom edge.
    pub bottom: f64,
}

#[derive(Clone, Debug, PartialEq)]
enum Mark {
    Rect(Rect),
    Line { points: Vec<(f64, f64)>, stroke: Stroke },
    Dot { x: f64, y: f64, radius: f64, fill: Ink, outline: Ink },
    Label(Label),
    Image(Image),
    Frame(Frame),
}

/// A picture stretched over a rectangle, in a light and a dark form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Image {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) light: Raster,
    pub(crate) dark: Raster,
    /// Whether enlarged pixels keep their edges.
    pub(crate) pixelated: bool,
    /// Shown when a pointer rests on the picture; may be empty.
    pub(crate) tooltip: String,
}

/// The outline of a rectangle, to be seen on any picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Rect {
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) fill: Ink,
    pub(crate) outline: Option<Ink>,
    /// Shown when a pointer rests on the mark; may be empty.
    pub(crate) tooltip: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Stroke {
    pub(crate) ink: Ink,
    pub(crate) width: f64,
    /// Lengths of dashes and gaps as SVG writes them; empty is a solid line.
    pub(crate) dash: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Label {
    pub(crate) text: String,
    pub(crate) x: f64,
    /// The baseline.
    pub(crate) y: f64,
    pub(crate) size: f64,
    pub(crate) bold: bool,
    pub(crate) anchor: Anchor,
    pub(crate) ink: Ink,
    /// Turned to read from bottom to top, about (x, y).
    pub(crate) turned: bool,
    /// Set off from lines that pass behind it.
    pub(crate) halo: bool,
}

impl Label {
    pub(crate) fn new(text: impl Into<String>, x: f64, y: f64, size: f64, ink: Ink) -> Self {
        Self {
            text: text.into(),
            x,
            y,
            size,
            bold: false,
            anchor: Anchor::Start,
            ink,
            turned: false,
            halo: false,
        }
    }

    pub(crate) fn anchored(self, anchor: Anchor) -> Self {
        Self { anchor, ..self }
    }

    pub(crate) fn bold(self) -> Self {
        Self { bold: true, ..self }
    }

    pub(crate) fn with_halo(self) -> Self {
        Self { halo: true, ..self }
    }

    pub(crate) fn turned(self) -> Self {
        Self { turned: true, ..self }
    }

    fn extent(&self) -> LabelBox {
        let width = font::reserved(&self.text, self.size, self.bold);
        let (before, after) = match self.anchor {
            Anchor::Start => (0.0, width),
            Anchor::Middle => (width / 2.0, width / 2.0),
            Anchor::End => (width, 0.0),
        };
        let (up, down) = (self.size * ASCENT, self.size * DESCENT);
        let (left, top, right, bottom) = if self.turned {
            (self.x - up, self.y - after, self.x + down, self.y + before)
        } else {
            (self.x - before, self.y - up, self.x + after, self.y + down)
        };
        LabelBox { text: self.text.clone(), left, top, right, bottom }
    }
}

impl Drawing {
    pub(crate) fn new(width: f64, title: &str, description: String) -> Self {
        Self { width, height: 0.0, title: title.to_owned(), description, marks: Vec::new() }
    }

    /// Width in SVG units, a whole number of them, so that no row of pixels is half covered.
    pub fn width(&self) -> f64 {
        self.width.ceil()
    }

    /// Height in SVG units, a whole number of them.
    pub fn height(&self) -> f64 {
        self.height.ceil()
    }

    /// The title, as read aloud in place of the picture.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What the picture shows, in words.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// Every text with the box that it fills in the widest font expected.
    pub fn label_boxes(&self) -> Vec<LabelBox> {
        let boxes = self.marks.iter().filter_map(|mark| match mark {
            Mark::Label(label) => Some(label.extent()),
            _ => None,
        });
        boxes.collect()
    }

    pub(crate) fn rect(&mut self, rect: Rect) {
        let sizes = [rect.x, rect.y, rect.width, rect.height];
        if sizes.iter().all(|v| v.is_finite()) && rect.width >= 0.0 && rect.height >= 0.0 {
            self.marks.push(Mark::Rect(rect));
        }
    }

    /// A line through the points, interrupted at each that is not finite.
    pub(crate) fn line(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        for run in points.split(|(x, y)| !x.is_finite() || !y.is_finite()) {
            if run.len() > 1 {
                self.marks.push(Mark::Line { points: run.to_vec(), stroke });
            }
        }
    }

    pub(crate) fn dot(&mut self, x: f64, y: f64, radius: f64, fill: Ink, outline: Ink) {
        if x.is_finite() && y.is_finite() {
            self.marks.push(Mark::Dot { x, y, radius, fill, outline });
        }
    }

    pub(crate) fn label(&mut self, label: Label) {
        if label.x.is_finite() && label.y.is_finite() && !label.text.is_empty() {
            self.marks.push(Mark::Label(label));
        }
    }

    pub(crate) fn image(&mut self, image: Image) {
        self.marks.push(Mark::Image(image));
    }

    pub(crate) fn frame(&mut self, frame: Frame) {
        self.marks.push(Mark::Frame(frame));
    }

    /// The drawing as one SVG document.
    pub fn to_svg(&self, theme: Theme) -> String {
        let id = self.fingerprint();
        self.to_svg_with_id(theme, &format!("plot-{id:016x}"))
    }

    /// As [`Drawing::to_svg`], with a prefix for the ids inside, which must be unique within a page.
    ///
    /// Characters other than ASCII letters, digits, `-` and `_` in the prefix become hyphens.
    pub fn to_svg_with_id(&self, theme: Theme, id: &str) -> String {
        let keep = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        let id: String = id.chars().map(keep).collect();
        let mut painter = Painter { theme, out: String::new(), used: BTreeSet::new(), has_images: false };
        painter.rect(&Rect {
            x: 0.0,
            y: 0.0,
            width: self.width(),
            height: self.height(),
            fill: Ink::Background,
            outline: None,
            tooltip: String::new(),
        });
        for mark in &self.marks {
            painter.mark(mark);
        }
        let (w, h) = (coordinate(self.width()), coordinate(self.height()));
        let mut svg = String::with_capacity(painter.out.len() + 1024);
        let _ = writeln!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{w}\" height=\"{h}\" viewBox=\"0 0 {w} {h}\" \
             role=\"img\" aria-labelledby=\"{id}__title {id}__desc\" font-family=\"{FONT_FAMILY}\">"
        );
        let _ = writeln!(svg, "<title id=\"{id}__title\">{}</title>", xml(&self.title));
        let _ = writeln!(svg, "<desc id=\"{id}__desc\">{}</desc>", xml(&self.description));
        if theme == Theme::Auto {
            svg.push_str(&dark_style(&painter.used, painter.has_images));
        }
        svg.push_str(&painter.out);
        svg.push_str("</svg>\n");
        svg
    }

    /// The FNV-1a hash of what is drawn, so that different drawings have different ids.
    fn fingerprint(&self) -> u64 {
        let text = format!("{self:?}");
        text.bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
    }
}

struct Painter {
    theme: Theme,
    out: String,
    used: BTreeSet<(&'static str, Ink)>,
    /// Whether there are pictures of which one form is hidden.
    has_images: bool,
}

impl Painter {
    /// The attributes that paint with the given inks, each with its property (`fill` or `stroke`).
    fn paint(&mut self, inks: &[(&'static str, Ink)]) -> String {
        let mut attributes = String::new();
        for (property, ink) in inks {
            let _ = write!(attributes, " {property}=\"{}\"", ink.hex(self.theme == Theme::Dark));
        }
        if self.theme == Theme::Auto {
            let classes: Vec<_> = inks.iter().map(|(property, ink)| class(property, *ink)).collect();
            let _ = write!(attributes, " class=\"{}\"", classes.join(" "));
            self.used.extend(inks);
        }
        attributes
    }

    fn mark(&mut self, mark: &Mark) {
        match mark {
            Mark::Rect(rect) => self.rect(rect),
            Mark::Line { points, stroke } => self.line(points, *stroke),
            Mark::Dot { x, y, radius, fill, outline } => {
                let paint = self.paint(&[("fill", *fill), ("stroke", *outline)]);
                let (x, y, r) = (coordinate(*x), coordinate(*y), coordinate(*radius));
                let _ =
                    writeln!(self.out, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{r}\" stroke-width=\"2\"{paint}/>");
            }
            Mark::Label(label) => self.label(label),
            Mark::Image(image) => self.image(image),
            Mark::Frame(frame) => self.frame(frame),
        }
    }

    fn image(&mut self, image: &Image) {
        let both = self.theme == Theme::Auto && image.light != image.dark;
        if !both {
            let raster = if self.theme == Theme::Dark { &image.dark } else { &image.light };
            return self.raster(image, raster, "");
        }
        self.has_images = true;
        self.raster(image, &image.light, " class=\"pellucid-on-light\"");
        self.raster(image, &image.dark, " class=\"pellucid-on-dark\" display=\"none\"");
    }

    fn raster(&mut self, image: &Image, raster: &Raster, attributes: &str) {
        let [x, y, w, h] = [image.x, image.y, image.width, image.height].map(coordinate);
        let rendering = if image.pixelated { " style=\"image-rendering:pixelated\"" } else { "" };
        let uri = raster.data_uri();
        let _ = write!(
            self.out,
            "<image x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" preserveAspectRatio=\"none\"{rendering}{attributes} \
             href=\"{uri}\""
        );
        if image.tooltip.is_empty() {
            self.out.push_str("/>\n");
        } else {
            let _ = writeln!(self.out, "><title>{}</title></image>", xml(&image.tooltip));
        }
    }

    fn frame(&mut self, frame: &Frame) {
        let [x, y, w, h] = [frame.x, frame.y, frame.width, frame.height].map(coordinate);
        for (ink, width) in [(Ink::Background, "3"), (Ink::Muted, "1")] {
            let paint = self.paint(&[("stroke", ink)]);
            let _ = writeln!(
                self.out,
                "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\" fill=\"none\" stroke-width=\"{width}\"{paint}/>"
            );
        }
    }

    fn rect(&mut self, rect: &Rect) {
        let inset = if rect.outline.is_some() { 0.75 } else { 0.0 };
        let x = coordinate(rect.x + inset);
        let y = coordinate(rect.y + inset);
        let w = coordinate((rect.width - 2.0 * inset).max(0.0));
        let h = coordinate((rect.height - 2.0 * inset).max(0.0));
        let mut inks = vec![("fill", rect.fill)];
        inks.extend(rect.outline.map(|ink| ("stroke", ink)));
        let mut paint = self.paint(&inks);
        if rect.outline.is_some() {
            paint.push_str(" stroke-width=\"1.5\"");
        }
        let _ = write!(self.out, "<rect x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"{paint}");
        if rect.tooltip.is_empty() {
            self.out.push_str("/>\n");
        } else {
            let _ = writeln!(self.out, "><title>{}</title></rect>", xml(&rect.tooltip));
        }
    }

    fn line(&mut self, points: &[(f64, f64)], stroke: Stroke) {
        let paint = self.paint(&[("stroke", stroke.ink)]);
        let width = coordinate(stroke.width);
        let dash = match stroke.dash {
            "" => String::new(),
            dash => format!(" stroke-dasharray=\"{dash}\""),
        };
        if let [(x1, y1), (x2, y2)] = points {
            let [x1, y1, x2, y2] = [x1, y1, x2, y2].map(|v| coordinate(*v));
            let _ = write!(self.out, "<line x1=\"{x1}\" y1=\"{y1}\" x2=\"{x2}\" y2=\"{y2}\"");
        } else {
            self.out.push_str("<polyline fill=\"none\" stroke-linejoin=\"round\" points=\"");
            for (i, (x, y)) in points.iter().enumerate() {
                let gap = if i == 0 { "" } else { " " };
                let _ = write!(self.out, "{gap}{},{}", coordinate(*x), coordinate(*y));
            }
            self.out.push('"');
        }
        let _ = writeln!(self.out, " stroke-width=\"{width}\"{dash}{paint}/>");
    }

    fn label(&mut self, label: &Label) {
        let mut inks = vec![("fill", label.ink)];
        inks.extend(label.halo.then_some(("stroke", Ink::Background)));
        let mut paint = self.paint(&inks);
        if label.halo {
            paint.push_str(" stroke-width=\"4\" stroke-linejoin=\"round\" paint-order=\"stroke\"");
        }
        let (x, y, size) = (coordinate(label.x), coordinate(label.y), coordinate(label.size));
        let weight = if label.bold { " font-weight=\"600\"" } else { "" };
        let anchor = match label.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let turn = if label.turned { format!(" transform=\"rotate(-90 {x} {y})\"") } else { String::new() };
        let text = xml(&label.text);
        let _ = writeln!(
            self.out,
            "<text x=\"{x}\" y=\"{y}\" font-size=\"{size}\"{weight}{anchor}{turn}{paint}>{text}</text>"
        );
    }
}

fn class(property: &str, ink: Ink) -> String {
    format!("pellucid-{property}-{}", ink.name())
}

fn dark_style(used: &BTreeSet<(&'static str, Ink)>, has_images: bool) -> String {
    let mut rules = BTreeSet::new();
    if has_images {
        rules.insert(".pellucid-on-light{display:none}".to_owned());
        rules.insert(".pellucid-on-dark{display:inline}".to_owned());
    }
    for (property, ink) in used {
        rules.insert(format!(".{}{{{property}:{}}}", class(property, *ink), ink.hex(true)));
    }
    let rules: String = rules.into_iter().collect();
    format!("<style>@media screen and (prefers-color-scheme:dark){{{rules}}}</style>\n")
}

/// A coordinate with at most two decimals.
pub(crate) fn coordinate(value: f64) -> String {
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short() {
        for (value, expected) in [(0.0, "0"), (-0.001, "0"), (1.5, "1.5"), (100.0, "100"), (-2.346, "-2.35")]
        {
            assert_eq!(coordinate(value), expected);
        }
    }

    #[test]
    fn a_line_is_interrupted_where_it_is_not_finite() {
        let mut drawing = Drawing::new(10.0, "t", String::new());
        let stroke = Stroke { ink: Ink::Text, width: 1.0, dash: "" };
        drawing.line(&[(0.0, 0.0), (1.0, 1.0), (f64::NAN, 2.0), (3.0, 3.0), (4.0, f64::INFINITY)], stroke);
        drawing.line(&[], stroke);
        assert_eq!(drawing.marks.len(), 1);
        let svg = drawing.to_svg(Theme::Light);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn ids_are_names_whatever_is_asked() {
        let svg = Drawing::new(10.0, "t", String::new()).to_svg_with_id(Theme::Light, "a\"><b c");
        assert!(svg.contains("id=\"a---b-c__title\""));
    }
}
