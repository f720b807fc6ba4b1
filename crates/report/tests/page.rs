//! Pages: self-contained, escaped, and the same content in HTML and Markdown.

mod samples;

use std::collections::BTreeSet;

use pellucid_report::*;
use samples::{bars, hostile_names};

fn page_of(names: &[String]) -> Page {
    let figure = |name: &str| Figure::new(name, &bars(names, &[1.0, -2.0, 0.5]), "What moved it.");
    let sections = names.iter().map(|name| Section {
        title: name.clone(),
        blocks: vec![
            Block::Paragraph(Text::from(name.as_str()).strong(name).code(name).link(name, name)),
            Block::Heading(name.clone()),
            Block::List(vec![Text::from(name.as_str()), Text::default().emphasis(name)]),
            Block::Code { language: name.clone(), text: format!("{name}\n```\n") },
            Block::Figure(figure(name)),
            Block::Figure(figure(name)),
            Block::Table(Table::new(name).column(name, Align::Right).row([name.as_str()])),
            Block::Definitions(vec![(Text::from(name.as_str()), Text::from(name.as_str()))]),
            Block::Note(Text::from(name.as_str())),
            Block::Checks(vec![Check {
                name: name.clone(),
                outcome: Outcome::Failed,
                found: name.clone(),
                expected: name.clone(),
            }]),
        ],
    });
    Page {
        title: names[0].clone(),
        lead: vec![Text::from(names[0].as_str())],
        opening: vec![Block::Figure(figure("global"))],
        sections: sections.collect(),
        footer: vec![Text::from(names[0].as_str())],
    }
}

/// HTML without what XML does not know, so that an XML parser can check that it nests.
fn as_xml(html: &str) -> String {
    let mut text = html.replace("<!DOCTYPE html>", "").replace("<br>", "<br/>");
    let mut from = 0;
    while let Some(start) = text[from..].find("<meta ").map(|at| at + from) {
        let end = start + text[start..].find('>').unwrap();
        text.insert(end, '/');
        from = end;
    }
    text
}

#[test]
fn html_nests_and_needs_nothing_else() {
    for names in [hostile_names(), vec!["plain".to_owned()]] {
        let html = page_of(&names).to_html();
        let xml = as_xml(&html);
        let document = roxmltree::Document::parse(&xml).unwrap();
        let mut ids = BTreeSet::new();
        for node in document.descendants() {
            assert!(!node.has_tag_name("script") && !node.has_tag_name("link") && !node.has_tag_name("img"));
            if let Some(id) = node.attribute("id") {
                assert!(ids.insert(id.to_owned()), "id {id} twice");
            }
        }
        for node in document.descendants() {
            let names =
                node.attribute("aria-labelledby").unwrap_or("").split(' ').filter(|id| !id.is_empty());
            names.for_each(|id| assert!(ids.contains(id), "no id {id}"));
            if let Some(href) = node.attribute("href") {
                assert!(!href.starts_with("javascript"), "{href}");
                if let Some(id) = href.strip_prefix('#') {
                    assert!(ids.contains(id), "no target {id}");
                }
            }
        }
        assert!(!html.contains("url(") && !html.contains("@import"));
    }
}

#[test]
fn markdown_refers_to_every_figure_file_once() {
    let page = page_of(&hostile_names());
    let markdown = page.to_markdown("figures");
    let files = page.figure_files("figures/");
    let paths: BTreeSet<_> = files.iter().map(|file| file.path.clone()).collect();
    assert_eq!(paths.len(), files.len());
    assert_eq!(files.len(), 2 * (2 * hostile_names().len() + 1));
    for path in &paths {
        assert_eq!(markdown.matches(&format!("\"{path}\"")).count(), 1, "{path}");
        let name = path.strip_prefix("figures/").unwrap();
        assert!(!name.contains('/') && !name.contains("..") && name.ends_with(".svg"), "{path}");
    }
    assert!(!markdown.contains('\u{1b}'));
    // Markup may stand in code only: in a span, or within a fence.
    let mut fence = None;
    for line in markdown.lines() {
        match fence {
            None if line.starts_with("```") => fence = Some(line.chars().take_while(|c| *c == '`').count()),
            Some(ticks) if line == "`".repeat(ticks) => fence = None,
            None => assert_eq!(line.matches("<script").count(), line.matches("`<script").count(), "{line}"),
            Some(_) => {}
        }
    }
    assert_eq!(fence, None);
}

#[test]
fn markdown_is_what_a_person_would_write() {
    let page = Page {
        title: "A bank's clients".to_owned(),
        lead: vec![Text::from("Run ").code("pellucid run recipe.toml").plain(".")],
        sections: vec![Section {
            title: "Result".to_owned(),
            blocks: vec![
                Block::Table(
                    Table::default()
                        .column("split", Align::Left)
                        .column("AUC", Align::Right)
                        .row(["test", "0.88"]),
                ),
                Block::Code { language: "toml".to_owned(), text: "a = 1\n".to_owned() },
                Block::Note(Text::from("A note.")),
                Block::Checks(vec![Check {
                    name: "completeness".to_owned(),
                    outcome: Outcome::Passed,
                    found: "0.001".to_owned(),
                    expected: "below 0.01".to_owned(),
                }]),
            ],
        }],
        ..Default::default()
    };
    assert_eq!(
        page.to_markdown("figures"),
        "# A bank's clients\n\nRun `pellucid run recipe.toml`.\n\n## Result\n\n\
         | split | AUC |\n| --- | ---: |\n| test | 0.88 |\n\n```toml\na = 1\n```\n\n\
         > [!NOTE]\n> A note.\n\n| | check | found | expected |\n| --- | --- | --- | --- |\n\
         | ✓ passed | completeness | 0.001 | below 0.01 |\n"
    );
    assert!(page.to_html().contains("<span class=\"outcome\">passed</span>"));
}

#[test]
fn an_empty_page_is_a_page() {
    let page = Page::default();
    assert_eq!(page.to_markdown(""), "# Report\n");
    assert!(roxmltree::Document::parse(&as_xml(&page.to_html())).is_ok());
    assert!(page.figure_files("x").is_empty());
}
