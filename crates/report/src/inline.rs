//! Running text with emphasis, code and links.

use crate::escape::{markdown, markdown_code, markdown_line_start, safe_url, xml};

/// Text of a paragraph, a caption or a cell; every part shows what was given, whatever characters it holds.
///
/// ```
/// use pellucid_report::Text;
///
/// let text = Text::from("Run ").code("pellucid run").plain(", then read ").link("the page", "page.html");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Text {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Plain(String),
    Strong(String),
    Emphasis(String),
    Code(String),
    Link { text: String, url: String },
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::default().plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::default().plain(text)
    }
}

impl Text {
    /// Adds plain text.
    pub fn plain(self, text: impl Into<String>) -> Self {
        self.with(Part::Plain(text.into()))
    }

    /// Adds text that matters.
    pub fn strong(self, text: impl Into<String>) -> Self {
        self.with(Part::Strong(text.into()))
    }

    /// Adds text with stress.
    pub fn emphasis(self, text: impl Into<String>) -> Self {
        self.with(Part::Emphasis(text.into()))
    }

    /// Adds code.
    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(Part::Code(text.into()))
    }

    /// Adds a link; an address that is neither relative nor http, https or mailto is left out, its text stays.
    pub fn link(self, text: impl Into<String>, url: impl Into<String>) -> Self {
        self.with(Part::Link { text: text.into(), url: url.into() })
    }

    /// Whether there is nothing to show.
    pub fn is_empty(&self) -> bool {
        self.as_plain().trim().is_empty()
    }

    /// The words alone.
    pub fn as_plain(&self) -> String {
        let words = self.parts.iter().map(|part| match part {
            Part::Plain(text) | Part::Strong(text) | Part::Emphasis(text) | Part::Code(text) => text.as_str(),
            Part::Link { text, .. } => text,
        });
        words.collect()
    }

    pub(crate) fn to_html(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Plain(text) => xml(text),
            Part::Strong(text) => format!("<strong>{}</strong>", xml(text)),
            Part::Emphasis(text) => format!("<em>{}</em>", xml(text)),
            Part::Code(text) => format!("<code>{}</code>", xml(text)),
            Part::Link { text, url } => match safe_url(url) {
                Some(url) => format!("<a href=\"{}\">{}</a>", xml(&url), xml(text)),
                None => xml(text),
            },
        });
        parts.collect()
    }

    /// One line of Markdown that can begin a paragraph.
    pub(crate) fn to_markdown(&self) -> String {
        let parts = self.parts.iter().map(|part| match part {
            Part::Plain(text) => markdown(text),
            Part::Strong(text) => marked(text, "**"),
            Part::Emphasis(text) => marked(text, "*"),
            Part::Code(text) => markdown_code(text),
            Part::Link { text, url } => match safe_url(url) {
                Some(url) => format!("[{}]({})", markdown(text), url.replace(['<', '>'], "")),
                None => markdown(text),
            },
        });
        let line: String = parts.collect();
        match self.parts.first() {
            Some(Part::Plain(_)) => markdown_line_start(&line),
            _ => line,
        }
    }

    fn with(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }
}

/// Markdown marks must touch the words, not spaces around them.
fn marked(text: &str, mark: &str) -> String {
    let inner = text.trim();
    if inner.is_empty() {
        return markdown(text);
    }
    let start = &text[..text.len() - text.trim_start().len()];
    let end = &text[text.trim_end().len()..];
    format!("{}{mark}{}{mark}{}", markdown(start), markdown(inner), markdown(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_marked_and_escaped() {
        let text = Text::from("a<b ")
            .strong(" c* ")
            .code("`d`")
            .link("e", "https://x.org/?a=1&b=\"2\"")
            .emphasis("f");
        assert_eq!(
            text.to_html(),
            "a&lt;b <strong> c* </strong><code>`d`</code>\
             <a href=\"https://x.org/?a=1&amp;b=&quot;2&quot;\">e</a><em>f</em>"
        );
        assert_eq!(text.to_markdown(), "a&lt;b  **c\\*** `` `d` ``[e](https://x.org/?a=1&b=\"2\")*f*");
        assert_eq!(text.as_plain(), "a<b  c* `d`ef");
    }

    #[test]
    fn a_script_is_no_link() {
        let text = Text::default().link("x", "javascript:alert(1)");
        assert_eq!((text.to_html(), text.to_markdown()), ("x".to_owned(), "x".to_owned()));
    }
}
