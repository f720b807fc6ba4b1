//! A page as one HTML document.

use std::fmt::Write as _;

use super::{Block, Check, Figure, Names, Outcome, Page, Section};
use crate::escape::{plain, slug, xml, xml_lines};
use crate::inline::Text;
use crate::table::Table;
use crate::theme::Theme;

const STYLE: &str = include_str!("style.css");
/// Sections from this many on get a list of contents.
const CONTENTS_FROM: usize = 3;

pub(super) fn page(page: &Page) -> String {
    let title = if page.title.trim().is_empty() { "Report".to_owned() } else { plain(&page.title) };
    let title = xml(&title);
    let mut names = Names::new();
    names.unique("content");
    let section_ids: Vec<String> =
        page.sections.iter().map(|section| names.unique(&slug(&section.title))).collect();

    let mut html = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    html.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    html.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    html.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" \
         content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\n",
    );
    let _ = writeln!(html, "<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>");
    html.push_str("<a class=\"skip\" href=\"#content\">Skip to the content</a>\n");
    let _ = writeln!(html, "<main id=\"content\">\n<header>\n<h1>{title}</h1>");
    for text in &page.lead {
        let _ = writeln!(html, "<p class=\"lead\">{}</p>", text.to_html());
    }
    html.push_str("</header>\n");
    if page.sections.len() >= CONTENTS_FROM {
        contents(&mut html, &page.sections, &section_ids);
    }
    for block in &page.opening {
        push_block(&mut html, block, &mut names);
    }
    for (section, id) in page.sections.iter().zip(&section_ids) {
        let heading = xml(&section.title);
        let _ = writeln!(html, "<section aria-labelledby=\"{id}\">\n<h2 id=\"{id}\">{heading}</h2>");
        for block in &section.blocks {
            push_block(&mut html, block, &mut names);
        }
        html.push_str("</section>\n");
    }
    html.push_str("</main>\n");
    if !page.footer.is_empty() {
        html.push_str("<footer>\n");
        for text in &page.footer {
            let _ = writeln!(html, "<p>{}</p>", text.to_html());
        }
        html.push_str("</footer>\n");
    }
    html.push_str("</body>\n</html>\n");
    html
}

fn contents(html: &mut String, sections: &[Section], ids: &[String]) {
    html.push_str("<nav aria-label=\"Contents\">\n<ol>\n");
    for (section, id) in sections.iter().zip(ids) {
        let _ = writeln!(html, "<li><a href=\"#{id}\">{}</a></li>", xml(&section.title));
    }
    html.push_str("</ol>\n</nav>\n");
}

fn push_block(html: &mut String, block: &Block, names: &mut Names) {
    match block {
        Block::Paragraph(text) => {
            let _ = writeln!(html, "<p>{}</p>", text.to_html());
        }
        Block::Heading(text) => {
            let _ = writeln!(html, "<h3>{}</h3>", xml(text));
        }
        Block::List(items) => {
            html.push_str("<ul>\n");
            for item in items {
                let _ = writeln!(html, "<li>{}</li>", item.to_html());
            }
            html.push_str("</ul>\n");
        }
        Block::Code { text, .. } => {
            let _ = writeln!(html, "<pre tabindex=\"0\"><code>{}</code></pre>", xml_lines(text.trim_end()));
        }
        Block::Figure(figure) => push_figure(html, figure, names),
        Block::Table(table) => push_table(html, table),
        Block::Definitions(entries) => {
            html.push_str("<dl>\n");
            for (term, meaning) in entries {
                let _ =
                    writeln!(html, "<div><dt>{}</dt><dd>{}</dd></div>", term.to_html(), meaning.to_html());
            }
            html.push_str("</dl>\n");
        }
        Block::Note(text) => push_note(html, text),
        Block::Checks(checks) => push_checks(html, checks),
    }
}

fn push_figure(html: &mut String, figure: &Figure, names: &mut Names) {
    let id = names.unique(&figure.name);
    // Ids inside the picture start with the figure's, which no other figure or section has.
    let svg = figure.drawing.to_svg_with_id(Theme::Auto, &id);
    let label = xml(&figure.drawing.title);
    let _ = writeln!(html, "<figure id=\"{id}\">");
    let _ = write!(
        html,
        "<div class=\"plot\" tabindex=\"0\" role=\"group\" aria-label=\"{label}\">\n{svg}</div>\n"
    );
    if !figure.caption.is_empty() {
        let _ = writeln!(html, "<figcaption>{}</figcaption>", figure.caption.to_html());
    }
    if let Some(table) = &figure.table {
        html.push_str("<details>\n<summary>The numbers as a table</summary>\n");
        push_table(html, table);
        html.push_str("</details>\n");
    }
    html.push_str("</figure>\n");
}

fn push_table(html: &mut String, table: &Table) {
    let label = if table.caption.is_empty() { "Table".to_owned() } else { xml(&table.caption) };
    let _ = writeln!(html, "<div class=\"table\" tabindex=\"0\" role=\"group\" aria-label=\"{label}\">");
    html.push_str(&table.to_html());
    html.push_str("</div>\n");
}

fn push_note(html: &mut String, text: &Text) {
    let _ = writeln!(html, "<aside class=\"note\" role=\"note\"><p>{}</p></aside>", text.to_html());
}

fn push_checks(html: &mut String, checks: &[Check]) {
    html.push_str("<div class=\"checks\" role=\"group\" aria-label=\"Checks\">\n<ul>\n");
    for check in checks {
        let class = match check.outcome {
            Outcome::Passed => "passed",
            Outcome::Failed => "failed",
            Outcome::NotChecked => "open",
        };
        let _ = write!(
            html,
            "<li class=\"{class}\"><span class=\"mark\" aria-hidden=\"true\">{}</span><div>\
             <span class=\"check\">{}</span> <span class=\"outcome\">{}</span>",
            check.outcome.mark(),
            xml(&check.name),
            check.outcome.word()
        );
        let mut details = Vec::new();
        if !check.found.is_empty() {
            details.push(format!("found {}", xml(&check.found)));
        }
        if !check.expected.is_empty() {
            details.push(format!("expected {}", xml(&check.expected)));
        }
        if !details.is_empty() {
            let _ = write!(html, "<br><span class=\"found\">{}</span>", details.join("; "));
        }
        html.push_str("</div></li>\n");
    }
    html.push_str("</ul>\n</div>\n");
}
