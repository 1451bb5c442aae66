use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

static CANDIDATE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?-u:\b)([0-9]{3})-([0-9]{2})-([0-9]{4})(?-u:\b)").expect("a constant pattern")
});
/// Numbers that were printed on cards to show what they look like; they are nobody's.
const PRINTED: [&str; 2] = ["078-05-1120", "219-09-9999"];

/// Social security numbers of the United States, with hyphens: of an area, a group and a serial that are given out.
pub(super) fn find(text: &str, tell: &mut dyn FnMut(Range<usize>)) {
    for candidate in CANDIDATE.captures_iter(text) {
        let (written, [area, group, serial]) = candidate.extract();
        let is_given_out =
            !matches!(area, "000" | "666") && !area.starts_with('9') && group != "00" && serial != "0000";
        let Some(range) = candidate.get(0).map(|whole| whole.range()) else { continue };
        if is_given_out && !PRINTED.contains(&written) && !super::is_part_of_number(text, &range) {
            tell(range);
        }
    }
}
