//! Pages that fit into an answer.

use std::io::{self, Write};

use serde::Serialize;

/// How long the items of a page may be together. Lambda sends at most 6 MB, an answer being a text within JSON, and one
/// answer may hold more than one list.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// How many of `items` are on a page of at most `limit`: as many as have 2 MiB together when they are sent, and at least one.
pub fn page_length<T: Serialize>(items: &[T], limit: u16) -> usize {
    let mut bytes = 0_usize;
    let fitting = items.iter().take(usize::from(limit)).take_while(|item| {
        bytes = bytes.saturating_add(sent_bytes(item));
        bytes <= MOST_BYTES
    });
    fitting.count().max(1).min(items.len())
}

/// The length of an item's JSON within a text within JSON.
fn sent_bytes(item: &impl Serialize) -> usize {
    let mut count = Count(0);
    match serde_json::to_writer(&mut count, item) {
        Ok(()) => count.0,
        // It cannot be sent, which is told when it is.
        Err(_) => 0,
    }
}

/// Counts what is written, quotation marks and backslashes twice.
struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() + bytes.iter().filter(|byte| matches!(byte, b'"' | b'\\')).count();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_item_is_as_long_as_it_is_sent() {
        for item in [json!({"a": 1}), json!("say \"hi\"\\\n\u{1}ü"), json!([[], {}, null, 1.5])] {
            let sent = Value::String(item.to_string()).to_string();
            assert_eq!(sent_bytes(&item), sent.len() - 2, "{item}");
        }
    }

    #[test]
    fn a_page_ends_with_its_limit_or_its_bytes_and_has_an_item_if_there_is_one() {
        let of = |bytes: usize| "x".repeat(bytes - 4);
        let half = MOST_BYTES / 2;
        assert_eq!(page_length(&[] as &[String], 5), 0);
        assert_eq!(page_length(&[of(10), of(10), of(10)], 2), 2);
        assert_eq!(page_length(&[of(half), of(half), of(10)], 100), 2);
        assert_eq!(page_length(&[of(half), of(half + 1), of(10)], 100), 1);
        assert_eq!(page_length(&[of(3 * MOST_BYTES), of(10)], 100), 1);
        assert_eq!(page_length(&[of(half), of(3 * MOST_BYTES), of(10)], 100), 1);
    }
}
