//! Slack's way of writing, as people read it: pure.

/// A text without Slack's marks: who and what is mentioned by its name, links with their words, `&`, `<` and `>` as themselves.
pub(super) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        plain.push_str(before);
        if let Some((mark, after)) = after.split_once('>') {
            plain.push_str(&said(mark));
            rest = after;
        } else {
            plain.push('<');
            rest = after;
        }
    }
    plain.push_str(rest);
    // `&` goes last so that nothing is unescaped twice.
    plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

/// What stands between `<` and `>`.
fn said(mark: &str) -> String {
    let (target, label) = mark.split_once('|').unwrap_or((mark, ""));
    let named = |sign: char, name: &str| {
        let name = if label.is_empty() { name } else { label.trim_start_matches(sign) };
        format!("{sign}{name}")
    };
    let address = target.trim_start_matches("mailto:");
    match target.split_at_checked(1) {
        Some(("@", user)) => named('@', user),
        Some(("#", channel)) => named('#', channel),
        Some(("!", all)) => named('@', all.split('^').next().unwrap_or(all)),
        _ if label.is_empty() || label == address => address.to_owned(),
        _ => format!("{label} ({address})"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn marks_become_words() {
        for (written, read) in [
            ("Hello", "Hello"),
            ("<@U1> and <@U2|ada> in <#C1|general>", "@U1 and @ada in #general"),
            ("<!here> <!subteam^S1|@team> <!date^1392734382^{date}|today>", "@here @team @today"),
            (
                "see <https://example.com|the page> or <https://example.com>",
                "see the page (https://example.com) or https://example.com",
            ),
            ("<mailto:ada@example.com|ada@example.com>", "ada@example.com"),
            ("1 &lt; 2 &amp;&amp; 3 &gt; 2 &amp;lt;", "1 < 2 && 3 > 2 &lt;"),
            ("a < b", "a < b"),
            ("<>", ""),
        ] {
            assert_eq!(plain(written), read, "{written}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[<>|@#!^&a-zé ;]{0,40}") {
            let _ = plain(&text);
        }

        #[test]
        fn what_has_no_marks_stays(text in "[a-zA-Z0-9 .,!?äöü😀]{0,40}") {
            prop_assert_eq!(plain(&text), text);
        }
    }
}
