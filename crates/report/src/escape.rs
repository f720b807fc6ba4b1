//! Text made safe for XML and HTML, Markdown and a terminal.

/// Text for element content and attribute values of SVG and HTML.
///
/// Line breaks and tabs become spaces, and characters that XML cannot hold become U+FFFD.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(printable(c)),
        }
    }
    out
}

/// As [`xml`], keeping line breaks: for preformatted text.
pub(crate) fn xml_lines(text: &str) -> String {
    text.replace("\r\n", "\n").split('\n').map(xml).collect::<Vec<_>>().join("\n")
}

/// One line of text with nothing that moves a terminal's cursor or that XML cannot hold.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(printable).collect()
}

/// One line of Markdown that shows the text itself.
pub(crate) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(printable(c)),
        }
    }
    out
}

/// Markdown text at the start of a line: what would begin a heading or a list is escaped too.
pub(crate) fn markdown_line_start(escaped: &str) -> String {
    let trimmed = escaped.trim_start();
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    match trimmed.as_bytes().get(digits) {
        Some(b'.' | b')') if digits > 0 => format!("{}\\{}", &trimmed[..digits], &trimmed[digits..]),
        Some(b'#' | b'-' | b'+' | b'=') if digits == 0 => format!("\\{trimmed}"),
        _ => trimmed.to_owned(),
    }
}

/// Code in a line of Markdown, fenced by more backticks than it holds.
pub(crate) fn markdown_code(text: &str) -> String {
    let text = plain(text);
    let fence = "`".repeat(longest_run(&text, '`') + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{fence}{pad}{text}{pad}{fence}")
}

/// The longest run of one character.
pub(crate) fn longest_run(text: &str, of: char) -> usize {
    let mut longest = 0;
    let mut run = 0;
    for c in text.chars() {
        run = if c == of { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    longest
}

/// The address if a link may lead there: relative, or http, https, mailto.
pub(crate) fn safe_url(url: &str) -> Option<String> {
    let url = url.trim();
    if url.is_empty() || url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    let before_path = url.split(['/', '?', '#']).next().unwrap_or("");
    let allowed = match before_path.split_once(':') {
        Some((scheme, _)) => ["http", "https", "mailto"].iter().any(|s| scheme.eq_ignore_ascii_case(s)),
        None => true,
    };
    allowed.then(|| url.replace('(', "%28").replace(')', "%29"))
}

/// A name in lower-case letters, digits and hyphens, for ids and file names.
pub(crate) fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.ends_with('-') && !out.is_empty() {
            out.push('-');
        }
        if out.len() >= 60 {
            break;
        }
    }
    let trimmed = out.trim_end_matches('-');
    if trimmed.is_empty() { "item".to_owned() } else { trimmed.to_owned() }
}

fn printable(c: char) -> char {
    match c {
        '\t' | '\n' | '\r' => ' ',
        '\u{2028}' | '\u{2029}' => ' ',
        // Marks that reorder the text around them could make a name read as another.
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '\u{fffd}',
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_holds_no_markup() {
        assert_eq!(
            xml("<script>\"a\" & 'b'</script>"),
            "&lt;script&gt;&quot;a&quot; &amp; &#39;b&#39;&lt;/script&gt;"
        );
        assert_eq!(xml("a\nb\u{0}\u{1b}[2J\u{ffff}\u{202e}c"), "a b\u{fffd}\u{fffd}[2J\u{fffd}\u{fffd}c");
        assert_eq!(xml_lines("a<\r\nb"), "a&lt;\nb");
    }

    #[test]
    fn markdown_shows_the_text_itself() {
        assert_eq!(markdown("a|b*c_[x](y)<i>`$"), "a\\|b\\*c\\_\\[x\\](y)&lt;i&gt;\\`\\$");
        for (text, expected) in [
            ("# a", "\\# a"),
            ("1. a", "1\\. a"),
            ("- a", "\\- a"),
            ("12 a", "12 a"),
            ("a - b", "a - b"),
            ("", ""),
        ] {
            assert_eq!(markdown_line_start(text), expected);
        }
        assert_eq!(markdown_code("a`b``c"), "```a`b``c```");
        assert_eq!(markdown_code("`"), "`` ` ``");
    }

    #[test]
    fn links_lead_to_pages_only() {
        for url in ["https://a.org/x", "figures/a.svg", "#part", "a/b:c", "mailto:a@b.c"] {
            assert!(safe_url(url).is_some(), "{url}");
        }
        for url in ["javascript:alert(1)", " JavaScript:x", "data:text/html,x", "java\nscript:x", "", "a b"] {
            assert!(safe_url(url).is_none(), "{url}");
        }
    }

    #[test]
    fn slugs_are_names() {
        for (text, expected) in
            [("What it learned?", "what-it-learned"), ("../etc", "etc"), ("…", "item"), ("", "item")]
        {
            assert_eq!(slug(text), expected);
        }
        assert!(slug(&"é a".repeat(500)).len() <= 60);
    }
}
