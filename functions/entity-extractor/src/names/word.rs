use std::cell::OnceCell;
use std::ops::Deref;

use model::tokens::Token;

use crate::lexicon;

/// A word of a text, which is looked up among the everyday ones at most once.
#[derive(Debug)]
pub(super) struct Word<'a> {
    token: &'a Token<'a>,
    common: OnceCell<bool>,
}

impl<'a> Word<'a> {
    pub(super) const fn new(token: &'a Token<'a>) -> Self {
        Self { token, common: OnceCell::new() }
    }

    /// Part of everyday English.
    pub(super) fn is_common(&self) -> bool {
        *self.common.get_or_init(|| lexicon::is_common(&self.token.lower))
    }
}

impl<'a> Deref for Word<'a> {
    type Target = Token<'a>;

    fn deref(&self) -> &Self::Target {
        self.token
    }
}
