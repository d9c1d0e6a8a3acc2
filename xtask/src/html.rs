//! Finds and replaces the `<link data-trunk …>` elements of index.html.

use anyhow::{Context, Result};
use std::ops::Range;

/// One `<link data-trunk …>` element.
#[derive(Clone, Debug, PartialEq)]
pub struct Link {
    /// Its range of bytes in the document.
    pub span: Range<usize>,
    /// Names in lower case, and values.
    pub attributes: Vec<(String, String)>,
}

impl Link {
    /// The value of an attribute; empty if the attribute has none.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The value of a required attribute.
    pub fn need(&self, name: &str) -> Result<&str> {
        let rel = self.get("rel").unwrap_or("?");
        self.get(name)
            .with_context(|| format!("a data-trunk link with rel=\"{rel}\" lacks {name}: index.html"))
    }
}

/// All `<link data-trunk …>` elements outside comments, in document order.
pub fn trunk_links(html: &str) -> Vec<Link> {
    let mut links = Vec::new();
    let mut at = 0;
    while let Some(open) = html[at..].find('<').map(|found| at + found) {
        let rest = &html[open..];
        if rest.starts_with("<!--") {
            at = rest.find("-->").map_or(html.len(), |end| open + end + 3);
        } else if rest.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case("<link")) {
            let (attributes, length) = attributes(&rest[5..]);
            at = open + 5 + length;
            let link = Link { span: open..at, attributes };
            if link.get("data-trunk").is_some() {
                links.push(link);
            }
        } else {
            at = open + 1;
        }
    }
    links
}

/// Replaces each link by a text. The links must be in document order.
pub fn replace(html: &str, replacements: &[(Link, String)]) -> String {
    let mut out = String::with_capacity(html.len());
    let mut at = 0;
    for (link, text) in replacements {
        out.push_str(&html[at..link.span.start]);
        out.push_str(text);
        at = link.span.end;
    }
    out.push_str(&html[at..]);
    out
}

/// Parses the attributes up to the end of the tag; also returns the number of bytes up to and including the `>`.
fn attributes(text: &str) -> (Vec<(String, String)>, usize) {
    let mut found = Vec::new();
    let mut at = 0;
    loop {
        let rest = &text[at..];
        at += rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == '/').len();
        let rest = &text[at..];
        if rest.is_empty() || rest.starts_with('>') {
            return (found, (at + 1).min(text.len()));
        }
        let name_end = rest.find(|c: char| c.is_whitespace() || "=/>".contains(c)).unwrap_or(rest.len());
        let name = rest[..name_end].to_ascii_lowercase();
        at += name_end.max(1);
        let value = match text[at..].strip_prefix('=') {
            None => String::new(),
            Some(rest) => {
                let quote = rest.chars().next().filter(|c| "\"'".contains(*c));
                let skip = usize::from(quote.is_some());
                let body = &rest[skip..];
                let end = match quote {
                    Some(quote) => body.find(quote),
                    None => body.find(|c: char| c.is_whitespace() || c == '>'),
                };
                let end = end.unwrap_or(body.len());
                at = (at + 1 + 2 * skip + end).min(text.len());
                body[..end].to_string()
            }
        };
        if !name.is_empty() {
            found.push((name, value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "<head>\n<!-- <link data-trunk rel=\"css\" href=\"no.css\"> -->\n\
        <link rel='icon' href='plain.svg'>\n\
        <link data-trunk rel=\"rust\" href=web/Cargo.toml data-bin=\"app\" />\n\
        <LINK data-trunk\n  rel=\"icon\" href='a>b.svg' type=\"image/svg+xml\">\n</head>";

    #[test]
    fn links_outside_comments_are_found_with_their_attributes() {
        let links = trunk_links(PAGE);
        assert_eq!(links.len(), 2);
        assert_eq!(links[0].get("href"), Some("web/Cargo.toml"));
        assert_eq!(links[0].get("data-bin"), Some("app"));
        assert_eq!(links[0].get("data-trunk"), Some(""));
        assert_eq!(links[1].get("href"), Some("a>b.svg"));
        assert_eq!(links[1].get("type"), Some("image/svg+xml"));
        assert!(links[1].need("data-bin").is_err());
    }

    #[test]
    fn only_the_links_are_replaced() {
        let replaced: Vec<_> = trunk_links(PAGE).into_iter().zip(["ONE", "TWO"].map(String::from)).collect();
        let page = replace(PAGE, &replaced);
        assert!(page.contains("no.css"), "{page}");
        assert!(page.contains("<link rel='icon' href='plain.svg'>\nONE\nTWO\n</head>"), "{page}");
    }

    #[test]
    fn an_unfinished_tag_ends_with_the_document() {
        assert_eq!(trunk_links("<link data-trunk rel=\"css").len(), 1);
        assert_eq!(trunk_links("<link data-trunk href=").len(), 1);
        assert!(trunk_links("<link").is_empty());
    }
}
