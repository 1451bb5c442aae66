//! The built-in thinking: the session's agenda, continued by a window.

use domain::{Event, Memory, Thought, Window};

use crate::MOST_KNOWN;
use crate::action::Action;
use crate::agenda::Agenda;

/// What a window does to the session's actions, one thought per action.
pub(crate) fn think(window: &Window, known: &[Memory]) -> Vec<Thought> {
    let mut agenda = agenda(known);
    for event in &window.events {
        agenda.hear(event);
    }
    agenda.into_thoughts()
}

/// What stands before a window.
pub(crate) fn agenda(known: &[Memory]) -> Agenda {
    Agenda::of(known, known.len() >= usize::from(MOST_KNOWN))
}

/// The actions of a whole session and what became of them.
pub fn actions(events: &[Event]) -> Vec<Action> {
    let mut agenda = Agenda::default();
    for event in events {
        agenda.hear(event);
    }
    agenda.into_actions()
}
