//! What one answer holds of an export.

use serde_json::{Value, json};

/// No more is looked for once a page has so many bytes.
const FULL_BYTES: usize = 2 * 1024 * 1024;
/// A page has no more than so many. An answer of a function has 6 MiB at most, and four bytes for every three of the page, because
/// its type is not one that goes as text.
const MOST_BYTES: usize = 4_500_000;

/// Lines, as many as fit.
#[derive(Debug, Default)]
pub(super) struct Page(String);

impl Page {
    /// So many bytes are still looked for.
    pub(super) const fn room(&self) -> usize {
        FULL_BYTES.saturating_sub(self.0.len())
    }

    /// Takes a line, unless it is to be the first of the next page. One that fits into no page is taken without what makes it so
    /// long.
    pub(super) fn takes(&mut self, line: String) -> bool {
        let line = if line.len() < MOST_BYTES { line } else { shortened(&line) };
        let fits = self.0.is_empty() || self.0.len() + line.len() < MOST_BYTES;
        if fits {
            self.0.push_str(&line);
            self.0.push('\n');
        }
        fits
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }
}

/// An object without its longest fields, as few as will do, which `left_out` names.
fn shortened(line: &str) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::from_str(line) else {
        return json!({"left_out": ["line"]}).to_string();
    };
    let mut left_out = Vec::new();
    loop {
        let lengths = fields.iter().map(|(name, value)| (value.to_string().len(), name));
        let Some((_, name)) = lengths.max() else { break };
        let name = name.clone();
        fields.remove(&name);
        left_out.push(name);
        let rest = Value::Object(fields.clone()).to_string();
        if rest.len() < MOST_BYTES / 2 {
            break;
        }
    }
    fields.insert("left_out".to_owned(), left_out.into());
    Value::Object(fields).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(bytes: usize) -> String {
        json!({"kind": "event", "content": "x".repeat(bytes)}).to_string()
    }

    #[test]
    fn a_page_ends_before_a_line_that_does_not_fit() {
        let mut page = Page::default();
        assert!(page.takes(line(FULL_BYTES - 100)));
        assert!(page.room() > 0, "there is room for more");
        assert!(!page.takes(line(3_000_000)), "not for that");
        assert!(page.takes(line(2_000_000)) && page.room() == 0);
        let encoded = page.into_text().len().div_ceil(3) * 4;
        assert!(encoded < 6 * 1024 * 1024 - 100_000, "{encoded}");
    }

    #[test]
    fn a_line_that_fits_into_no_page_comes_without_what_makes_it_long() {
        let long = "x".repeat(MOST_BYTES);
        let whole = json!({"kind": "event", "version": 7, "metadata": {"a": long}, "content": "said"});
        let mut page = Page::default();
        assert!(page.takes(whole.to_string()));
        let taken: Value = serde_json::from_str(&page.into_text()).unwrap();
        let expected = json!({"kind": "event", "version": 7, "content": "said", "left_out": ["metadata"]});
        assert_eq!(taken, expected);
    }
}
