use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::Range;
use std::sync::LazyLock;

use ip_network::{Ipv4Network, Ipv6Network};
use regex::Regex;

static FOUR: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?-u:\b)").expect("a constant pattern")
});
static SIX: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)[23][0-9A-Fa-f]{3}:[0-9A-Fa-f:]{2,34}").expect("a constant pattern")
});
/// What goes before a version of something, which is written as an address is.
const VERSIONS: [&str; 6] = ["v", "version", "versions", "ver", "release", "build"];

/// Addresses that the Internet routes. Those of a network of one's own, of this machine or of examples are nobody's.
pub(super) fn find(text: &str, tell: &mut dyn FnMut(Range<usize>)) {
    for candidate in FOUR.find_iter(text) {
        let range = candidate.range();
        let is_public = candidate
            .as_str()
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| Ipv4Network::new(address, 32).is_ok_and(|network| network.is_global()));
        if is_public && !is_dotted_on(text, &range) && !is_version(text, range.start) {
            tell(range);
        }
    }
    for candidate in SIX.find_iter(text) {
        let written = candidate.as_str().trim_end_matches(':');
        let is_public = written
            .parse::<Ipv6Addr>()
            .is_ok_and(|address| Ipv6Network::new(address, 128).is_ok_and(|network| network.is_global()));
        if is_public {
            tell(candidate.start()..candidate.start() + written.len());
        }
    }
}

/// Whether more numbers stand before or after, as in a version of five parts or a name of a host.
fn is_dotted_on(text: &str, range: &Range<usize>) -> bool {
    let mut ahead = super::after(text, range.end);
    let goes_on =
        matches!(ahead.next(), Some('.' | '-' | '_')) && ahead.next().is_some_and(char::is_alphanumeric);
    goes_on || matches!(super::before(text, range.start), Some('.' | '-' | '_'))
}

fn is_version(text: &str, start: usize) -> bool {
    let before = text.get(..start).unwrap_or_default().trim_end_matches([' ', ':', '=', '"', '\'']);
    let word: &str = before.rsplit(|character: char| !character.is_alphanumeric()).next().unwrap_or_default();
    VERSIONS.iter().any(|version| word.eq_ignore_ascii_case(version))
}
