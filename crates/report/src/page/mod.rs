//! A page: paragraphs, figures, tables and checks, as one HTML file or as Markdown.

mod html;
mod markdown;

use crate::drawing::Drawing;
use crate::escape::slug;
use crate::inline::Text;
use crate::plot::Plot;
use crate::table::Table;
use crate::theme::Theme;

/// A page to read; see [`Page::to_html`] and [`Page::to_markdown`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Page {
    /// The title.
    pub title: String,
    /// The paragraphs before the first section.
    pub lead: Vec<Text>,
    /// What stands between the lead and the first section, such as a figure or a table.
    pub opening: Vec<Block>,
    /// The sections.
    pub sections: Vec<Section>,
    /// The last lines, in small print: version, seed, hashes.
    pub footer: Vec<Text>,
}

/// A titled part of a [`Page`].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// The heading.
    pub title: String,
    /// The content.
    pub blocks: Vec<Block>,
}

/// A piece of a [`Section`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Block {
    /// Running text.
    Paragraph(Text),
    /// A heading below that of the section.
    Heading(String),
    /// A list with bullets.
    List(Vec<Text>),
    /// Code or a command, with its language for highlighting; the language may be empty.
    Code {
        /// The language ("toml", "sh").
        language: String,
        /// The code.
        text: String,
    },
    /// A picture with its numbers.
    Figure(Figure),
    /// A table.
    Table(Table),
    /// Terms with what they mean.
    Definitions(Vec<(Text, Text)>),
    /// A remark set apart.
    Note(Text),
    /// Checks with what was expected and what was found.
    Checks(Vec<Check>),
}

/// A picture with a caption and its numbers as a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    name: String,
    drawing: Drawing,
    caption: Text,
    table: Option<Table>,
}

/// A picture's file that the Markdown of a page refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FigureFile {
    /// The path as written in the Markdown, relative to its file, with `/`.
    pub path: String,
    /// The SVG text.
    pub svg: String,
}

/// One line of a box of checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Check {
    /// What is checked.
    pub name: String,
    /// Whether it holds.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What would have been right; may be empty.
    pub expected: String,
}

/// Whether a check holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not hold.
    Failed,
    /// It was not made.
    #[default]
    NotChecked,
}

impl Outcome {
    fn mark(self) -> &'static str {
        match self {
            Outcome::Passed => "✓",
            Outcome::Failed => "✗",
            Outcome::NotChecked => "–",
        }
    }

    fn word(self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::NotChecked => "not checked",
        }
    }
}

impl Figure {
    /// A figure of a plot with its table; the name is for file names and ids, reduced to letters, digits, `-`.
    pub fn new(name: &str, plot: &dyn Plot, caption: impl Into<Text>) -> Self {
        let table = plot.table();
        let has_rows = !table.rows.is_empty();
        Self {
            name: slug(name),
            drawing: plot.drawing(),
            caption: caption.into(),
            table: has_rows.then_some(table),
        }
    }

    /// The figure with another table beside it, or none.
    pub fn with_table(self, table: Option<Table>) -> Self {
        Self { table, ..self }
    }
}

/// Where a figure stands: its blocks in the order of the page, with unique names.
struct Names {
    used: Vec<String>,
}

impl Names {
    fn new() -> Self {
        Self { used: Vec::new() }
    }

    /// The name, or with a number behind it where it was given out before.
    fn unique(&mut self, name: &str) -> String {
        let mut candidate = name.to_owned();
        let mut number = 2;
        while self.used.contains(&candidate) {
            candidate = format!("{name}-{number}");
            number += 1;
        }
        self.used.push(candidate.clone());
        candidate
    }
}

impl Page {
    /// The page as one HTML document that needs no other file, no network and no script.
    ///
    /// It is light or dark as the reader's screen prefers, prints light, and can be used by keyboard alone.
    pub fn to_html(&self) -> String {
        html::page(self)
    }

    /// The page as Markdown whose pictures are the files of [`Page::figure_files`] in the same folder.
    pub fn to_markdown(&self, figure_folder: &str) -> String {
        markdown::page(self, figure_folder)
    }

    /// The pictures that [`Page::to_markdown`] refers to, light and dark, in the order of the page.
    pub fn figure_files(&self, figure_folder: &str) -> Vec<FigureFile> {
        let mut names = Names::new();
        let mut files = Vec::new();
        for block in self.blocks() {
            if let Block::Figure(figure) = block {
                let name = names.unique(&figure.name);
                for theme in [Theme::Light, Theme::Dark] {
                    let path = figure_path(figure_folder, &name, theme);
                    files.push(FigureFile { path, svg: figure.drawing.to_svg(theme) });
                }
            }
        }
        files
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.opening.iter().chain(self.sections.iter().flat_map(|section| &section.blocks))
    }
}

fn figure_path(folder: &str, name: &str, theme: Theme) -> String {
    let suffix = if theme == Theme::Dark { "dark" } else { "light" };
    match folder.trim_end_matches('/') {
        "" => format!("{name}-{suffix}.svg"),
        folder => format!("{folder}/{name}-{suffix}.svg"),
    }
}
