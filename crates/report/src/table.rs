//! Tables as HTML, Markdown and aligned text.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::escape::{markdown, plain, xml};

/// Rows of texts under named columns.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// What the table shows; may be empty.
    pub caption: String,
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows. A short row is filled with empty cells; a long one adds columns without names.
    pub rows: Vec<Vec<String>>,
}

/// A column of a [`Table`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Column {
    /// The name in the head of the table.
    pub name: String,
    /// Where the texts stand.
    pub align: Align,
}

/// Where the texts of a column stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// At the left: names.
    #[default]
    Left,
    /// At the right: numbers.
    Right,
    /// In the middle.
    Center,
}

impl Table {
    /// A table without columns or rows.
    pub fn new(caption: impl Into<String>) -> Self {
        Self { caption: caption.into(), ..Self::default() }
    }

    /// The table with one more column.
    pub fn column(mut self, name: impl Into<String>, align: Align) -> Self {
        self.columns.push(Column { name: name.into(), align });
        self
    }

    /// The table with one more row.
    pub fn row<T: Into<String>>(mut self, cells: impl IntoIterator<Item = T>) -> Self {
        self.rows.push(cells.into_iter().map(Into::into).collect());
        self
    }

    /// The table as an HTML `<table>`; the first column holds the rows' headings.
    pub fn to_html(&self) -> String {
        let mut html = String::from("<table>\n");
        if !self.caption.is_empty() {
            let _ = writeln!(html, "<caption>{}</caption>", xml(&self.caption));
        }
        html.push_str("<thead><tr>");
        for i in 0..self.width() {
            let _ = write!(html, "<th scope=\"col\"{}>{}</th>", self.class(i), xml(self.name(i)));
        }
        html.push_str("</tr></thead>\n<tbody>\n");
        for row in &self.rows {
            html.push_str("<tr>");
            for i in 0..self.width() {
                let (tag, scope) = if i == 0 { ("th", " scope=\"row\"") } else { ("td", "") };
                let cell = xml(row.get(i).map_or("", String::as_str));
                let _ = write!(html, "<{tag}{scope}{}>{cell}</{tag}>", self.class(i));
            }
            html.push_str("</tr>\n");
        }
        html.push_str("</tbody>\n</table>\n");
        html
    }

    /// The table in Markdown, as GitHub reads it, without its caption.
    pub fn to_markdown(&self) -> String {
        let width = self.width();
        if width == 0 {
            return String::new();
        }
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = line((0..width).map(|i| markdown(self.name(i))).collect());
        let rule = |i| match self.align(i) {
            Align::Left => "---".to_owned(),
            Align::Right => "---:".to_owned(),
            Align::Center => ":---:".to_owned(),
        };
        text.push_str(&line((0..width).map(rule).collect()));
        for row in &self.rows {
            let cell = |i: usize| markdown(row.get(i).map_or("", String::as_str));
            text.push_str(&line((0..width).map(cell).collect()));
        }
        text
    }

    /// The table as aligned text for a terminal, without its caption; control characters are replaced.
    pub fn to_text(&self) -> String {
        let width = self.width();
        let head: Vec<String> = (0..width).map(|i| plain(self.name(i))).collect();
        let cell = |row: &Vec<String>, i: usize| plain(row.get(i).map_or("", String::as_str));
        let rows: Vec<Vec<String>> =
            self.rows.iter().map(|row| (0..width).map(|i| cell(row, i)).collect()).collect();
        let mut widths: Vec<usize> = head.iter().map(|name| name.width()).collect();
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.width());
            }
        }
        let mut text = String::new();
        self.push_line(&mut text, &head, &widths);
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        self.push_line(&mut text, &rule, &widths);
        for row in &rows {
            self.push_line(&mut text, row, &widths);
        }
        text
    }

    fn push_line(&self, text: &mut String, cells: &[String], widths: &[usize]) {
        let mut line = String::new();
        for (i, (cell, width)) in cells.iter().zip(widths).enumerate() {
            let free = width.saturating_sub(cell.width());
            let before = match self.align(i) {
                Align::Left => 0,
                Align::Right => free,
                Align::Center => free / 2,
            };
            if i > 0 {
                line.push_str("  ");
            }
            line.push_str(&" ".repeat(before));
            line.push_str(cell);
            line.push_str(&" ".repeat(free - before));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }

    fn width(&self) -> usize {
        self.rows.iter().map(Vec::len).chain([self.columns.len()]).max().unwrap_or(0)
    }

    fn name(&self, index: usize) -> &str {
        self.columns.get(index).map_or("", |column| column.name.as_str())
    }

    fn align(&self, index: usize) -> Align {
        self.columns.get(index).map_or(Align::Left, |column| column.align)
    }

    fn class(&self, index: usize) -> &'static str {
        match self.align(index) {
            Align::Left => "",
            Align::Right => " class=\"right\"",
            Align::Center => " class=\"center\"",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        Table::new("A & B")
            .column("name", Align::Left)
            .column("value", Align::Right)
            .row(["余额", "1,787"])
            .row(["<script>|\u{1b}[2J\n", "2", "extra"])
            .row(["short"])
    }

    #[test]
    fn text_is_aligned_by_displayed_width() {
        let text = table().to_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        assert_eq!(lines[2], "余额            1,787");
        let end = |line: &str, of: &str| line[..line.find(of).unwrap()].width() + of.width();
        assert_eq!(end(lines[2], "1,787"), end(lines[3], "  2 ") - 1);
        assert!(!text.contains('\u{1b}'));
    }

    #[test]
    fn html_is_well_formed_and_loses_no_cell() {
        let html = table().to_html();
        let document = roxmltree::Document::parse(&html).unwrap();
        assert_eq!(document.descendants().filter(|n| n.has_tag_name("tr")).count(), 4);
        assert!(html.contains("&lt;script&gt;") && html.contains("extra") && !html.contains("<script>"));
        assert!(html.contains("<th scope=\"col\" class=\"right\">value</th>"));
    }

    #[test]
    fn markdown_has_one_line_per_row() {
        let text = table().to_markdown();
        assert_eq!(text.lines().count(), 5);
        assert!(text.starts_with("| name | value |  |\n| --- | ---: | --- |\n"));
        assert!(text.contains("&lt;script&gt;\\|"));
    }

    #[test]
    fn an_empty_table_is_empty() {
        assert_eq!(Table::default().to_markdown(), "");
        assert_eq!(Table::default().to_text(), "\n\n");
        assert!(roxmltree::Document::parse(&Table::default().to_html()).is_ok());
    }
}
