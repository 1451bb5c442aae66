use super::chance::Chance;
use crate::flow::MOST_RECEIVES;

/// How long a received message stays invisible, in seconds.
pub(super) const VISIBILITY: i64 = 360;
/// How long SQS keeps a message, in seconds.
pub(super) const RETENTION: i64 = 14 * 24 * 3600;

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Says {
    /// The session has events up to this version.
    Version(i64),
    /// The run's window is to be thought about again.
    Redrive(usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Message {
    pub(super) id: usize,
    pub(super) session: usize,
    pub(super) says: Says,
    pub(super) deferrals: u32,
    pub(super) receives: u32,
    pub(super) visible_at: i64,
    pub(super) sent_at: i64,
}

/// A standard queue: any order, at least once, with a visibility timeout, a receive count and dead letters.
#[derive(Debug, Default)]
pub(super) struct Queue {
    pub(super) messages: Vec<Message>,
    pub(super) dead: Vec<Message>,
}

impl Queue {
    /// Some visible message, or nothing. A message that was received too often goes to the dead letters instead.
    pub(super) fn receive(&mut self, now: i64, chance: &mut Chance, twice: bool) -> Received {
        self.messages.retain(|message| message.sent_at + RETENTION > now);
        let visible = self.messages.iter().filter(|message| message.visible_at <= now).count();
        let Some(index) = self
            .messages
            .iter()
            .enumerate()
            .filter(|(_, message)| message.visible_at <= now)
            .nth(chance.below(visible))
            .map(|(index, _)| index)
        else {
            return Received::Nothing;
        };
        let message = &mut self.messages[index];
        message.receives += 1;
        if message.receives > MOST_RECEIVES {
            let message = self.messages.swap_remove(index);
            self.dead.push(message);
            return Received::GaveUp(message);
        }
        if !twice {
            message.visible_at = now + VISIBILITY;
        }
        Received::Message(*message)
    }

    pub(super) fn delete(&mut self, id: usize) {
        self.messages.retain(|message| message.id != id);
    }

    pub(super) fn change_visibility(&mut self, id: usize, visible_at: i64) {
        for message in self.messages.iter_mut().filter(|message| message.id == id) {
            message.visible_at = visible_at;
        }
    }
}

pub(super) enum Received {
    Nothing,
    Message(Message),
    GaveUp(Message),
}
