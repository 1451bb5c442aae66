use std::ops::Range;
use std::sync::LazyLock;

use linkify::{LinkFinder, LinkKind};

static FINDER: LazyLock<LinkFinder> = LazyLock::new(|| {
    let mut finder = LinkFinder::new();
    finder.kinds(&[LinkKind::Email]);
    finder
});

/// E-mail addresses with a domain. What is written like `git@host:path` is a place and not an address.
pub(super) fn find(text: &str, tell: &mut dyn FnMut(Range<usize>)) {
    for link in FINDER.links(text) {
        let mut after = super::after(text, link.end());
        let is_place = after.next() == Some(':') && after.next().is_some_and(|next| !next.is_whitespace());
        let domain = link.as_str().rsplit('@').next().unwrap_or_default();
        let ends_in_letters = domain
            .rsplit_once('.')
            .is_some_and(|(_, top)| top.len() >= 2 && !top.bytes().any(|byte| byte.is_ascii_digit()));
        if !is_place && ends_in_letters {
            tell(link.start()..link.end());
        }
    }
}
