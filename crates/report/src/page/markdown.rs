//! A page as Markdown, as GitHub shows it.

use std::fmt::Write as _;

use super::{Block, Check, Figure, Names, Page, figure_path};
use crate::escape::{longest_run, markdown, markdown_line_start, plain, xml};
use crate::table::Table;
use crate::theme::Theme;

pub(super) fn page(page: &Page, figure_folder: &str) -> String {
    let mut names = Names::new();
    let mut text = String::new();
    let title = if page.title.trim().is_empty() { "Report" } else { &page.title };
    let _ = writeln!(text, "# {}\n", markdown(title));
    for lead in &page.lead {
        let _ = writeln!(text, "{}\n", lead.to_markdown());
    }
    for block in &page.opening {
        push_block(&mut text, block, figure_folder, &mut names);
    }
    for section in &page.sections {
        let _ = writeln!(text, "## {}\n", markdown(&section.title));
        for block in &section.blocks {
            push_block(&mut text, block, figure_folder, &mut names);
        }
    }
    if !page.footer.is_empty() {
        text.push_str("---\n\n");
        for line in &page.footer {
            let _ = writeln!(text, "{}\n", line.to_markdown());
        }
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn push_block(text: &mut String, block: &Block, folder: &str, names: &mut Names) {
    match block {
        Block::Paragraph(paragraph) => {
            let _ = writeln!(text, "{}\n", paragraph.to_markdown());
        }
        Block::Heading(heading) => {
            let _ = writeln!(text, "### {}\n", markdown(heading));
        }
        Block::List(items) => {
            for item in items {
                let _ = writeln!(text, "- {}", item.to_markdown());
            }
            text.push('\n');
        }
        Block::Code { language, text: code } => push_code(text, language, code),
        Block::Figure(figure) => push_figure(text, figure, folder, names),
        Block::Table(table) => push_table(text, table, true),
        Block::Definitions(entries) => {
            for (term, meaning) in entries {
                let _ = writeln!(text, "- **{}**: {}", markdown(&term.as_plain()), meaning.to_markdown());
            }
            text.push('\n');
        }
        Block::Note(note) => {
            let _ = writeln!(text, "> [!NOTE]\n> {}\n", note.to_markdown());
        }
        Block::Checks(checks) => push_checks(text, checks),
    }
}

fn push_code(text: &mut String, language: &str, code: &str) {
    let fence = "`".repeat(longest_run(code, '`').max(2) + 1);
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '+' | '#');
    let language: String = language.chars().filter(|c| is_name(*c)).collect();
    let code: Vec<String> = code.trim_end().lines().map(plain).collect();
    let _ = writeln!(text, "{fence}{language}\n{}\n{fence}\n", code.join("\n"));
}

fn push_figure(text: &mut String, figure: &Figure, folder: &str, names: &mut Names) {
    let name = names.unique(&figure.name);
    let light = xml(&figure_path(folder, &name, Theme::Light));
    let dark = xml(&figure_path(folder, &name, Theme::Dark));
    let words = xml(&format!("{}. {}", figure.drawing.title, figure.drawing.description));
    let _ = writeln!(
        text,
        "<picture>\n<source media=\"(prefers-color-scheme: dark)\" srcset=\"{dark}\">\n\
         <img alt=\"{words}\" src=\"{light}\">\n</picture>\n"
    );
    if !figure.caption.is_empty() {
        let _ = writeln!(text, "{}\n", figure.caption.to_markdown());
    }
    if let Some(table) = &figure.table {
        text.push_str("<details>\n<summary>The numbers as a table</summary>\n\n");
        push_table(text, table, false);
        text.push_str("</details>\n\n");
    }
}

fn push_table(text: &mut String, table: &Table, with_caption: bool) {
    if with_caption && !table.caption.is_empty() {
        let _ = writeln!(text, "{}\n", markdown_line_start(&markdown(&table.caption)));
    }
    let _ = writeln!(text, "{}", table.to_markdown());
}

fn push_checks(text: &mut String, checks: &[Check]) {
    text.push_str("| | check | found | expected |\n| --- | --- | --- | --- |\n");
    for check in checks {
        let _ = writeln!(
            text,
            "| {} {} | {} | {} | {} |",
            check.outcome.mark(),
            check.outcome.word(),
            markdown(&check.name),
            markdown(&check.found),
            markdown(&check.expected)
        );
    }
    text.push('\n');
}
