//! Which memories say the same: entities by their names, everything else by its words.

use std::collections::{BTreeMap, BTreeSet};

use domain::MemoryType;
use serde_json::Value;
use store::UserMemory;

use super::account::{Account, apart_where_mixed};
use super::plan::Plan;
use crate::alike::alike;
use crate::groups::Groups;
use crate::named::{self, Named};
use crate::wording::Role;

/// Pairs of which so many of a hundred words are shared are looked at.
const LEAST_ALIKE: usize = 50;

/// And so many make a pair that the rules leave to a model.
const LEAST_DOUBTFUL: usize = 60;

impl Plan {
    /// Closes all but one of the memories that say the same. What has faded is looked at once, for it may repeat what has
    /// not; what is to fade by itself then stands in nobody's way.
    pub(super) fn close_repeated(&mut self, block: &[&UserMemory]) {
        let mut block: Vec<&UserMemory> =
            block.iter().copied().filter(|memory| self.is_open(memory)).collect();
        for _ in 0..2 {
            let (mut named, mut accounts) = (Vec::new(), Vec::new());
            for memory in &block {
                match Named::of(&memory.memory) {
                    Some(entity) => named.push((*memory, entity)),
                    None => accounts.push(Account::of(memory)),
                }
            }
            self.close_renamed(&named);
            self.close_reworded(accounts);
            let before = block.len();
            block.retain(|memory| !self.is_open(memory) || !self.faded.contains_key(&memory.memory.id));
            if block.len() == before {
                break;
            }
        }
    }

    fn close_renamed(&mut self, named: &[(&UserMemory, Named)]) {
        let entities: Vec<Named> = named.iter().map(|(_, entity)| entity.clone()).collect();
        let groups = named::same(&entities);
        for group in groups.of_several() {
            let of_group = group.iter().filter_map(|at| named.get(*at)).map(|(memory, _)| *memory);
            self.join(of_group.collect());
        }
        for (short, long) in named::shortened(&entities) {
            if let (Some((first, _)), Some((second, _))) = (named.get(short), named.get(long)) {
                self.doubt(first, second, LEAST_DOUBTFUL, true, false);
            }
        }
        let words: Vec<BTreeSet<&str>> = entities.iter().map(Named::words).collect();
        for (one, other) in alike(&words, LEAST_ALIKE) {
            let [Some((first, one_named)), Some((second, other_named))] =
                [one, other].map(|at| named.get(at))
            else {
                continue;
            };
            let is_doubtful = groups.first(one) != groups.first(other)
                && one_named.is_part(other_named)
                && !one_named.is_bare()
                && !other_named.is_bare();
            if is_doubtful {
                self.doubt(first, second, one_named.likeness(other_named), true, false);
            }
        }
    }

    fn close_reworded(&mut self, accounts: Vec<Account<'_>>) {
        let mut same: BTreeMap<(String, Vec<String>), Vec<Account<'_>>> = BTreeMap::new();
        for account in accounts {
            let sequence = account.wording.sequence().into_iter().map(str::to_owned).collect();
            same.entry((account.frame.clone(), sequence)).or_default().push(account);
        }
        // One account stands for those that say the same word by word.
        let classes: Vec<Vec<Account<'_>>> = same.into_values().collect();
        let heads: Vec<&Account<'_>> = classes.iter().filter_map(|class| class.first()).collect();
        let sets: Vec<BTreeSet<&str>> = heads.iter().map(|head| head.wording.set()).collect();
        let mut groups = Groups::apart(classes.len());
        let mut rest = Vec::new();
        for (one, other) in alike(&sets, LEAST_ALIKE) {
            let (Some(first), Some(second)) = (heads.get(one), heads.get(other)) else { continue };
            if first.frame == second.frame && first.wording.is_nested(&second.wording) {
                groups.join(one, other);
            } else {
                rest.push((one, other));
            }
        }
        let groups = apart_where_mixed(&heads, &groups);
        let joined = groups.of_several().into_iter().flatten().collect::<BTreeSet<usize>>();
        for group in groups.of_several() {
            let of_group = group.iter().filter_map(|at| classes.get(*at)).flatten();
            self.join(of_group.map(|account| account.memory).collect());
        }
        for (_, class) in
            classes.iter().enumerate().filter(|(at, class)| class.len() > 1 && !joined.contains(at))
        {
            self.join(class.iter().map(|account| account.memory).collect());
        }
        for (one, other) in rest {
            if let (Some(first), Some(second)) = (classes.get(one), classes.get(other)) {
                self.doubt_reworded(first, second);
            }
        }
    }

    fn doubt_reworded(&mut self, first: &[Account<'_>], second: &[Account<'_>]) {
        let open = |class: &[Account<'_>]| class.iter().position(|account| self.is_open(account.memory));
        let (Some(one), Some(other)) = (open(first), open(second)) else { return };
        let (Some(first), Some(second)) = (first.get(one), second.get(other)) else { return };
        let (one, other) = (&first.wording, &second.wording);
        let likeness = one.likeness(other);
        let is_negation = one.is_negation_of(other);
        let may_hold_both = matches!(first.memory.memory.kind, MemoryType::Fact | MemoryType::Preference);
        let same_names = one.of_role(Role::Name) == other.of_role(Role::Name);
        let same_numbers = one.of_role(Role::Number) == other.of_role(Role::Number);
        let same_frame = first.frame == second.frame;
        let may_repeat = same_frame && same_names && same_numbers && one.negations() == other.negations();
        let may_contradict = may_hold_both && speaker(first.memory) == speaker(second.memory);
        if likeness >= LEAST_DOUBTFUL && (may_repeat || (may_contradict && (is_negation || same_frame))) {
            self.doubt(first.memory, second.memory, likeness, may_repeat, may_contradict);
        }
    }
}

/// Of whom a memory is, where its data says so.
fn speaker(memory: &UserMemory) -> Option<&str> {
    memory.memory.data.get("speaker").and_then(Value::as_str)
}
