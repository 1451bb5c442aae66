//! Pages that fit into an answer.

use std::io::{self, Write};

use serde::Serialize;

/// How long the items of a page may be together. Lambda sends at most 6 MB, an answer being a text within JSON, and one
/// answer may hold more than one list.
const MOST_BYTES: usize = 2 * 1024 * 1024;

/// How many of `items` are on a page of at most `limit`: as many as have 2 MiB together when they are sent, and at least one.
pub fn page_length<T: Serialize>(items: &[T], limit: u16) -> usize {
    let items = items.get(..usize::from(limit)).unwrap_or(items);
    fitting(items, MOST_BYTES)
}

/// How many of two lists an answer has room for that holds both: 2 MiB together when they are sent. The first has half of it, or
/// what the second leaves; at least one of each.
pub fn shared_page<A: Serialize, B: Serialize>(first: &[A], second: &[B]) -> (usize, usize) {
    let left = MOST_BYTES.saturating_sub(second.iter().map(sent_bytes).sum());
    let length = fitting(first, left.max(MOST_BYTES / 2));
    let taken: usize = first.iter().take(length).map(sent_bytes).sum();
    (length, fitting(second, MOST_BYTES.saturating_sub(taken)))
}

/// How many items have at most so many bytes together, and at least one.
fn fitting<T: Serialize>(items: &[T], most_bytes: usize) -> usize {
    let mut bytes = 0_usize;
    let fitting = items.iter().take_while(|item| {
        bytes = bytes.saturating_add(sent_bytes(item));
        bytes <= most_bytes
    });
    fitting.count().max(1).min(items.len())
}

/// The length of an item's JSON within a text within JSON.
fn sent_bytes<T: Serialize>(item: &T) -> usize {
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

    #[test]
    fn two_lists_have_room_for_one_together() {
        let of = |bytes: usize, count: usize| vec!["x".repeat(bytes - 4); count];
        let eighth = MOST_BYTES / 8;
        assert_eq!(shared_page(&of(eighth, 4), &of(eighth, 4)), (4, 4));
        assert_eq!(shared_page(&of(eighth, 6), &of(eighth, 2)), (6, 2), "what the second leaves");
        assert_eq!(shared_page(&of(eighth, 9), &of(eighth, 9)), (4, 4), "half each");
        assert_eq!(shared_page(&of(eighth, 2), &of(eighth, 9)), (2, 6));
        assert_eq!(shared_page(&of(eighth, 9), &[] as &[String]), (8, 0));
        assert_eq!(shared_page(&of(2 * MOST_BYTES, 2), &of(eighth, 2)), (1, 1), "at least one");
    }
}
